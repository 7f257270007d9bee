"""Does a front come up without us? Pure: by what the engine says of its container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgetender.engine.readings import moment

_GIVE_UP_RESTARTS = 3  # a front that was restarted so often and is not up cannot do what it is told
_STEADY_S = 10.0  # as the engine's own back-off begins anew


def comes_up(front: Mapping[str, Any]) -> bool:
    """Whether it runs, or the engine is just bringing it back, not in vain.

    An engine counts restarts over a container's whole life: one that ran steadily until now did not fail at its start.
    """
    state = front["State"]
    if state["Status"] != "restarting":
        return bool(state["Status"] == "running")
    return front["RestartCount"] < _GIVE_UP_RESTARTS or _ran_steadily(state)


def _ran_steadily(state: Mapping[str, Any]) -> bool:
    began, ended = moment(state.get("StartedAt")), moment(state.get("FinishedAt"))
    return began is not None and ended is not None and (ended - began).total_seconds() >= _STEADY_S
