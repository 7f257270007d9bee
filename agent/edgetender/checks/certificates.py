"""Until when are the certificates good that this device has on its disk?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from edgetender.checks.certificate import in_file, valid_until
from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip, warn
from edgetender.config.settings import CredentialsSettings
from edgetender.engine.labels import front_name

_SOON = timedelta(days=30)


def run(device: Device) -> Finding:
    ends: list[tuple[datetime, Path, str]] = []
    for path, purpose in _files(device):
        try:
            ends += [(valid_until(one), path, purpose) for one in in_file(path)]
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else str(error)) or "it cannot be read"
            return fail(f"{path}, {purpose}: {why}", f"put a certificate in PEM at {path}")
    first = {str(path): until for until, path, _ in sorted(ends, reverse=True)}  # of a file, the first to end
    return replace(judge(ends, device.clock.now()), ends=tuple(first.items()))


def judge(ends: list[tuple[datetime, Path, str]], now: datetime) -> Finding:
    """*ends* are (good until, file, what for); the first to end is told."""
    if not ends:
        return skip("no certificate is configured")
    until, path, purpose = min(ends)
    repair = f"renew {path}; it is read anew at the next connection, no restart is needed"
    if until <= now:
        return fail(f"{path}, {purpose}, expired {until:%Y-%m-%d}", repair)
    days = (until - now).days
    if until - now < _SOON:
        return warn(f"{path}, {purpose}, expires in {days} d", repair)
    return ok(f"the first to expire, {path}, has {days} d")


def _files(device: Device) -> Iterator[tuple[Path, str]]:
    transport = device.settings.transport
    if transport.certificate is not None:
        yield transport.certificate, "this device's certificate"
    if transport.ca is not None:
        yield transport.ca, "the broker's authority"
    for host, registry in device.settings.registries.items():
        if registry.ca is not None:
            yield registry.ca, f"the authority of {host}"
    yield from _shown(device.settings.credentials)


def _shown(credentials: CredentialsSettings) -> Iterator[tuple[Path, str]]:
    """What fronts show to clients: by its place where it can be renewed, else (systemd loaded it) in memory."""
    for laid in sorted(credentials.handed.glob(f"{front_name('*')}/*")):
        place = credentials.directory / laid.name
        yield place if place.exists() else laid, "what clients of a module are shown"


CHECK = Check(
    "certificates",
    "no certificate expires soon",
    "connectivity",
    "When it has expired the device is cut off, and only a visit or another way in repairs that.",
    run,
    needs=("config-parse",),
)
