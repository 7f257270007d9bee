"""Can only those read the agent's secrets and state who may?"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn

_OTHERS, _WRITERS = 0o077, 0o022


def run(device: Device) -> Finding:
    open_ones = tuple(_too_open(device))
    loose = tuple(path for path in device.files if _mode(path) & _WRITERS)
    if open_ones:
        quoted = " ".join(shlex.quote(str(path)) for path in open_ones)
        return fail(f"others can reach {', '.join(map(str, open_ones))}", f"chmod go-rwx {quoted}")
    if loose:
        quoted = " ".join(shlex.quote(str(path)) for path in loose)
        return warn(f"others can change {', '.join(map(str, loose))}", f"chmod go-w {quoted}")
    if device.settings.state_dir.is_dir() and not os.access(device.settings.state_dir, os.W_OK):
        place = device.settings.state_dir
        return fail(f"this user cannot write to {place}", f"chown -R edgetender: {shlex.quote(str(place))}")
    return ok("secrets and state are the agent's alone")


def fix(device: Device) -> str:
    """Take others' rights away from what is ours; nobody who should read it loses anything."""
    changed = []
    for path in _too_open(device):
        path.chmod(_mode(path) & ~_OTHERS)
        changed.append(str(path))
    for path in device.files:
        if _mode(path) & _WRITERS:
            path.chmod(_mode(path) & ~_WRITERS)
            changed.append(str(path))
    return f"closed {', '.join(changed)}" if changed else ""


def _too_open(device: Device) -> Iterator[Path]:
    for path in _private(device):
        if _mode(path) & _OTHERS:
            yield path


def _private(device: Device) -> Iterator[Path]:
    """Regular files and the state directory; links are refused where they are read."""
    settings = device.settings
    yield settings.state_dir
    if settings.transport.key is not None:
        yield settings.transport.key
    for folder in (settings.credentials.directory, settings.received_credentials):
        with suppress(OSError):  # there is none, or it is closed to us: as it should be
            yield from sorted(p for p in folder.iterdir() if p.is_file())


def _mode(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)


CHECK = Check(
    "permissions",
    "secrets and state are the agent's alone",
    "configuration",
    "A password that others can read is theirs, and the agent refuses a credential file that is open to them.",
    run,
    needs=("config-parse",),
    fix=fix,
)
