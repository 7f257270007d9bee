"""Did this agent fail by itself again and again? Then nothing new happens until somebody says so. Pure.

It is a hold on the device, by the agent itself: what was accepted is kept running, also in place of a candidate
that had begun, for that is what it may have failed on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from edgetender.model.gate import DEVICE, Hold, Release
from edgetender.model.ledger import Ledger

MOST = 5  # failures in a row
BY = "edgetender"


@dataclass(frozen=True, slots=True)
class Failed:
    """How often in a row, within the boot *boot* (0: of any, nobody knows), and *why* the last time."""

    boot: int = 0
    times: int = 0
    why: str = ""


def once_more(before: Failed, boot: int, why: str) -> Failed:
    """After another failure: those of an earlier boot are no part of the row."""
    return Failed(boot, before.times + 1 if before.boot == boot else 1, why)


def held_back(ledger: Ledger, failed: Failed, boot: int, now: datetime) -> Ledger:
    """*ledger*, in safe mode where the agent *failed* too often in this *boot*. An operator's own hold stays his."""
    if failed.times < MOST or failed.boot != boot or not boot:
        return ledger
    said = f"safe mode: the agent failed {failed.times} times in a row, the last time with {failed.why}"
    hold = Hold(BY, now, None, f"{said}; `edgetender release` or another manifest ends it")
    passage = replace(ledger.passage, began=False)
    return replace(ledger, holds={DEVICE: hold} | dict(ledger.holds), passage=passage)


def safe_mode(ledger: Ledger) -> str | None:
    """Why this device is in safe mode; None: it is not."""
    hold = ledger.holds.get(DEVICE)
    return hold.reason if hold is not None and hold.by == BY else None


def trusted_again(ledger: Ledger, by: str, reason: str) -> Ledger:
    """*ledger* without safe mode, ended *by* whoever gave it something else to do than what the agent failed on."""
    if safe_mode(ledger) is None:
        return ledger
    holds = {name: hold for name, hold in ledger.holds.items() if name != DEVICE}
    return replace(ledger, holds=holds, released={**ledger.released, DEVICE: Release(by, reason)})
