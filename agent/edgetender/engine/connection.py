"""Which engine is behind the socket, which API version does it get, and what does a failed call mean?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgetender.engine.client import Client, Refused
from edgetender.engine.outcomes import refusal
from edgetender.engine.stream import ask
from edgetender.errors import EngineDown, EngineRefused

PROVEN_API = "1.41"  # Docker Engine 20.10; one-shot stats need it


class Connection:
    """The way to the engine at *address*. Threads: any.

    It speaks the oldest API version that was proven, or the engine's minimum if that is newer: what an
    engine's newest version changes cannot surprise a device in the field.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self._address, self._timeout_s = address, timeout_s
        self._api: str | None = None

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[Client]:
        """A client, with every failure in our words; *what* completes `cannot …`."""
        try:
            yield Client(self._address, self.api_version(), what, self._timeout_s)
        except Refused as refused:
            raise refusal(what, refused.status, refused.words) from refused
        except EngineDown:
            self._api = None  # the engine may come back as another version
            raise

    def api_version(self) -> str:
        """The version to speak. Raises EngineDown, or EngineRefused for an engine that is too old."""
        if (known := self._api) is not None:
            return known
        found = ask(self._address, "/version", what="reach the engine", timeout_s=self._timeout_s)
        newest, oldest = found.get("ApiVersion", "0"), found.get("MinAPIVersion") or "0"
        if _number(newest) < _number(PROVEN_API):
            raise EngineRefused(
                f"cannot use the engine: it is version {found.get('Version', '?')} and speaks API {newest}, "
                f"{PROVEN_API} is needed; install Docker Engine 20.10 or newer"
            )
        self._api = chosen = max(PROVEN_API, oldest, key=_number)
        return chosen


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
