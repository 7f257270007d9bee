"""What does the page hear, and when? One document, again whenever something in it changed: server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from edgetender.api import answers
from edgetender.api.house import House

_EVENTS = 50
_SOONEST_S = 1.0  # a pull changes all the time
_SILENT_S = 15.0  # then a word without meaning: a proxy would hang up, and a reader that is gone is noticed
_VOLATILE = ("uptimeSeconds",)


def page_document(house: House) -> dict[str, Any]:
    """Everything the page shows."""
    return answers.envelope(
        "Page",
        status=house.status(),
        checks=answers.checks(house.checks()),
        events=list(house.events(_EVENTS, follow=False)),
        orders=house.takes_orders(),
        **house.insight(),
    )


class Live(Iterator[str]):
    """Lines of a `text/event-stream`; blocks between two of them. `close`, from any thread, ends it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._turn, self._before, self._pulling = -1, "", False
        self._lines: list[str] = []
        self._closed = False

    def __next__(self) -> str:
        while not self._lines:
            if self._closed:
                raise StopIteration
            self._look()
        return self._lines.pop(0)

    def close(self) -> None:
        self._closed = True

    def _look(self) -> None:
        silent_s = 0.0
        while self._before and not self._closed and silent_s < _SILENT_S:
            turn = self._house.wait(self._turn, _SOONEST_S)
            if turn != self._turn or self._pulling:
                break
            silent_s += _SOONEST_S
        self._turn = self._house.wait(-1, 0)
        document = page_document(self._house)
        self._pulling = any(module["pull"] for module in document["status"]["modules"])
        steady = json.dumps(document | {"status": _without(document["status"])}, sort_keys=True)
        if steady != self._before:
            self._before = steady
            self._lines = ["event: page", f"data: {json.dumps(document)}", ""]
        elif silent_s >= _SILENT_S:
            self._lines = [": still here", ""]
        else:
            self._house.wait(self._turn, _SOONEST_S)  # another turn that changed nothing to be seen


def _without(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key not in _VOLATILE}
