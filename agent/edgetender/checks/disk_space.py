"""Is there room for the next image, and for the agent's state?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn
from edgetender.checks.places import places
from edgetender.model.units import size_text

_LEAST_BYTES = 512 * 1024**2
_LITTLE, _SCARCE = 0.10, 0.05
_REPAIR = (
    "df -h {}; docker system df; docker image prune (takes only images without a name that nothing uses)"
)


def run(device: Device) -> Finding:
    return judge([(place, *device.disks.space(place)) for place in places(device)])


def judge(spaces: Iterable[tuple[Path, int, int]]) -> Finding:
    """*spaces* are (path, free, total) in bytes; the worst one is told."""
    path, free, total = min(spaces, key=lambda one: one[1] / max(one[2], 1))
    said = f"{size_text(free)} of {size_text(total)} free in {path}"
    if free < _LEAST_BYTES or free < total * _SCARCE:
        return fail(f"{said}: pulls will fail", _REPAIR.format(path))
    if free < total * _LITTLE:
        return warn(f"{said}, less than a tenth", _REPAIR.format(path))
    return ok(said)


CHECK = Check(
    "disk-space",
    "there is room for images and state",
    "runtime",
    "An image is unpacked beside its predecessor; on a full disk updates wait, and telemetry is dropped and counted.",
    run,
    needs=("config-parse",),
)
