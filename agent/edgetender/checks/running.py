"""How are checks run? Side by side, each bounded in time; what follows from another's failure is passed over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, Result, Severity, fail, skip
from edgetender.errors import AgentError, NotFound

log = logging.getLogger(__name__)

DEADLINE_S = 12.0  # below what the command line waits for the agent
_BAD = Severity.ERROR


def choose(checks: Sequence[Check], ids: Iterable[str], skipped: Iterable[str]) -> tuple[Check, ...]:
    """Those of *ids*, or all, without *skipped*, in their order. Raises NotFound for an unknown id."""
    wanted, without = set(ids), set(skipped)
    known = {check.id for check in checks}
    if unknown := sorted((wanted | without) - known):
        raise NotFound(f"cannot find the check {unknown[0]!r}: there are {', '.join(sorted(known))}")
    return tuple(c for c in checks if (not wanted or c.id in wanted) and c.id not in without)


def run_checks(
    checks: Sequence[Check], device: Device, *, fix: bool = False, deadline_s: float = DEADLINE_S
) -> tuple[Result, ...]:
    """Run *checks* and return their results in the same order, after *deadline_s* at the latest.

    With *fix*, what failed or warned and has a safe fix is repaired and looked at again.
    """
    until = time.monotonic() + deadline_s
    found: dict[str, Result] = {}
    chosen = {check.id for check in checks}
    while waiting := [check for check in checks if check.id not in found]:
        ready = [c for c in waiting if not ({n for n in c.needs if n in chosen} - found.keys())]
        found |= _side_by_side(ready or waiting, device, found, until, fix=fix)
    return tuple(found[check.id] for check in checks)


def _side_by_side(
    checks: Sequence[Check], device: Device, before: dict[str, Result], until: float, *, fix: bool
) -> dict[str, Result]:
    """One thread each; they are left alone where they do not end, and do not keep the process."""
    found: dict[str, Result] = {}
    threads = []
    for check in checks:
        if cause := next((blamed for need in check.needs if (blamed := _blamed(need, before))), ""):
            found[check.id] = Result(check, skip(f"follows from {cause}"), follows=cause)
            continue

        def work(check: Check = check) -> None:
            found[check.id] = _one(check, device, fix=fix)

        threads.append(threading.Thread(target=work, name=f"check-{check.id}", daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = fail("gave no answer in time", "try it alone: edgetender check {}")
    return {c.id: found.get(c.id) or Result(c, _named(late, c)) for c in checks}


def _blamed(need: str, before: dict[str, Result]) -> str:
    """The check that failed, be it *need* or what kept it from looking; empty where none did."""
    if (result := before.get(need)) is None:
        return ""
    return need if result.finding.severity is _BAD else result.follows


def _named(finding: Finding, check: Check) -> Finding:
    return Finding(finding.severity, finding.said, finding.repair.format(check.id))


def _one(check: Check, device: Device, *, fix: bool) -> Result:
    finding = _looked(check, device)
    if not fix or check.fix is None or finding.severity in (Severity.OK, Severity.SKIPPED):
        return Result(check, finding)
    try:
        done = check.fix(device)
    except (AgentError, OSError) as error:
        return Result(check, finding, f"could not be fixed: {error}")
    return Result(check, _looked(check, device), done) if done else Result(check, finding)


def _looked(check: Check, device: Device) -> Finding:
    try:
        return check.run(device)
    except (AgentError, OSError) as error:
        said, _, helps = str(error).partition("; ")
        return fail(said, helps or f"edgetender check {check.id} says it again when it was repaired")
    except Exception as error:  # one broken check costs itself, not the others
        log.exception("a check failed", extra={"fields": {"check": check.id}})
        return fail(f"the check itself failed: {type(error).__name__}: {error}", "report this to the authors")
