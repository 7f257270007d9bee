"""A front that fails at each start is made anew; one that ended a few times in years comes back by the engine."""

from __future__ import annotations

from typing import Any

import pytest

from edgetender.engine.front.coming_up import comes_up


def front(status: str, restarts: int, ran_s: int) -> dict[str, Any]:
    state = {
        "Status": status,
        "StartedAt": "2026-11-23T12:00:00.5Z",
        "FinishedAt": f"2026-11-23T12:00:{ran_s:02}.500000001Z",
    }
    return {"State": state, "RestartCount": restarts}


@pytest.mark.parametrize(
    ("status", "restarts", "ran_s", "comes"),
    [
        ("running", 9, 0, True),
        ("restarting", 1, 0, True),
        ("restarting", 3, 1, False),  # again and again
        ("restarting", 3, 30, True),  # now and then
        ("exited", 0, 30, False),  # by somebody's hand: no engine brings it back
        ("paused", 0, 30, False),
    ],
)
def test_who_comes_up_without_us(status: str, restarts: int, ran_s: int, comes: bool):
    assert comes_up(front(status, restarts, ran_s)) is comes


def test_one_whose_run_nobody_knows_is_judged_by_its_restarts():
    assert not comes_up({"State": {"Status": "restarting"}, "RestartCount": 3})
