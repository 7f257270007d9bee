"""Does this device know what time it is?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn

_RELEASED = datetime(2026, 11, 1, tzinfo=UTC)  # it cannot be earlier than this release
_SLACK = timedelta(hours=1)
_REPAIR = "timedatectl set-ntp true; timedatectl status"


def run(device: Device) -> Finding:
    return judge(device.clock.now(), _last_write(device), device.synchronized())


def judge(now: datetime, last_write: datetime | None, synchronized: bool | None) -> Finding:
    """*last_write* is when the agent's state was written last, by the clock of then."""
    if now < _RELEASED:
        return fail(f"it is {now:%Y-%m-%d} here, before this release was made", _REPAIR)
    if last_write is not None and now < last_write - _SLACK:
        behind = last_write - now
        return fail(
            f"the clock is {behind.total_seconds() / 3600:.0f} h behind what was written last", _REPAIR
        )
    if synchronized is False:
        return warn("no time server sets this clock: it drifts", _REPAIR)
    return ok(
        "set by a time server" if synchronized else "plausible; whether a time server sets it is not told"
    )


def _last_write(device: Device) -> datetime | None:
    times = []
    for name in ("state.db", "state.db-wal", "queue.db", "queue.db-wal", "queue.spool"):
        try:
            times.append((device.settings.state_dir / name).stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC) if times else None


CHECK = Check(
    "clock",
    "the clock is right",
    "connectivity",
    "A device of another year trusts no certificate and is trusted by nobody.",
    run,
)
