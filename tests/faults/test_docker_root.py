"""The power goes at a pull: no hollow image is ever used, and the engine's own pull shows what that is worth."""

from __future__ import annotations

import pytest

from tests.faults import docker_root
from tests.faults.__main__ import SEED, SLICE


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_after_a_power_cut_no_hollow_image_is_used_and_each_is_repaired() -> None:
    if reason := docker_root.why_not():
        pytest.skip(reason)
    found = docker_root.sweep(SLICE["docker"], SEED)
    assert [one.violation for one in found] == [None] * len(found), [str(one) for one in found]
    by_hand = [one for one in found if one.point == "by hand"]
    assert all(one.hollow for one in by_hand)  # without the sync of an agent's pull
