"""Can the file systems hold more files? They may be full of small ones with bytes left."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn
from edgetender.checks.places import places

_LITTLE, _SCARCE = 0.10, 0.02


def run(device: Device) -> Finding:
    return judge([(place, *device.disks.inodes(place)) for place in places(device)])


def judge(counts: Iterable[tuple[Path, int, int]]) -> Finding:
    """*counts* are (path, free, total); file systems that make inodes as they go count none."""
    counted = [one for one in counts if one[2]]
    if not counted:
        return ok("the file systems here do not run out of inodes")
    path, free, total = min(counted, key=lambda one: one[1] / one[2])
    said = f"{free} of {total} inodes free in {path}"
    repair = f"du --inodes -xS {path} | sort -n | tail, and remove what nobody needs there"
    if free < total * _SCARCE:
        return fail(f"{said}: no file can be made soon", repair)
    if free < total * _LITTLE:
        return warn(f"{said}, less than a tenth", repair)
    return ok(said)


CHECK = Check(
    "disk-inodes",
    "there are inodes for more files",
    "runtime",
    "Without inodes no file can be made though bytes are free: an image fails to unpack half-way.",
    run,
    needs=("config-parse",),
)
