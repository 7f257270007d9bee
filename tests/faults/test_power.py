"""The power goes: whatever of the unsynced writes is there or lost, what was promised is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import power
from tests.faults.__main__ import SEED, SLICE
from tests.faults.device import Zygote
from tests.faults.mutants import MUTANTS


@pytest.mark.timeout(600)
def test_no_power_cut_costs_what_was_promised(zygote: Zygote, short: Path) -> None:
    recording = power.record(zygote, short)
    cuts = recording.cuts(SLICE["power"], SEED)
    assert len(cuts) >= 200
    losses: list[str] = []
    power.replay(recording, cuts, broken=lambda cut, fault: losses.append(f"{cut}: {fault}"))
    assert losses == []


@pytest.mark.timeout(600)
def test_without_its_syncs_the_same_cuts_would_cost_promises(short: Path, zygote: Zygote) -> None:
    with Zygote(MUTANTS["no-sync"].made(short / "agent")) as mutant:
        recording = power.record(mutant, short / "device")
    losses: list[str] = []
    power.replay(recording, recording.cuts(), broken=lambda cut, fault: losses.append(fault))
    assert any("was promised and is not there" in one for one in losses)
