"""What does the API need of the daemon behind it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Protocol

from edgetender.checks.finding import Result
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Decision, HistoryEntry


class House(Protocol):
    """The daemon as its doors see it: they read what it published, or leave a wish and wake it.

    Threads: called from several at once, none of them the reconciler's. Errors: an AgentError becomes the
    answer (see `api.app`); a call that can block is bounded in time.
    """

    def status(self) -> dict[str, Any]:
        """The `Status` document of the last cycle (decide/documents.py)."""
        ...

    def plan(self, body: bytes) -> dict[str, Any]:
        """What the manifest in *body* would change; touches nothing. Raises ManifestInvalid, ManifestRefused.

        A `Plan` document: {"deployment", "version", "runningVersion", "modules": [{"name", "change",
        "variant", "why", "details": [{"what", "from", "to"}], "rollout"}], "pulls": [{"module", "image", "bytes",
        "totalBytes", "layers", "layersCached", "why"}], "disk": {"needBytes", "haveBytes"} or null, "notes": [text]};
        a change is add, change, remove or keep.
        """
        ...

    def plan_back(self, version: int | str | None) -> dict[str, Any]:
        """The same of going back to *version* (13, "1:13"), None for the one before. Raises NotFound."""
        ...

    def submit(self, kind: str, source: str, body: bytes) -> int:
        """Write a wish down, wake the reconciler and return the delivery's id.

        *kind* is `manifest` (the manifest's JSON), `restart` ({"module": name}), `variant` ({"module", "action",
        "variant"}), `rollback` ({"to": version or null}), or one of `hold`, `release`, `delay`, `now` ({"module",
        "for_s", "reason"}, each of them optional).
        """
        ...

    def decision(self, delivery: int) -> Decision | None:
        """What became of a delivery; None while nothing did."""
        ...

    def history(self, limit: int) -> tuple[HistoryEntry, ...]:
        """Newest first."""
        ...

    def hardware(self) -> Hardware: ...

    def explain(self, module: str, body: bytes | None) -> dict[str, Any]:
        """Why *module* runs as its variant, or would by the manifest in *body*. Raises NotFound, ManifestInvalid."""
        ...

    def saved_facts(self) -> dict[str, Any]:
        """Everything that choosing a variant depends on, to be replayed elsewhere."""
        ...

    def logs(
        self,
        module: str,
        *,
        tail: int | None,
        since: datetime | None,
        follow: bool,
        until: datetime | None = None,
        timestamps: bool = False,
    ) -> Iterator[str]:
        """Lines, oldest first; with *timestamps* each after its moment. Raises NotFound at the call, not at the
        first line.

        An iterator with `close()` is closed, from another thread, when the reader has gone.
        """
        ...

    def own_log(self) -> Iterable[str]:
        """The newest lines of the agent's own log, oldest first."""
        ...

    def metrics(self) -> bytes:
        """Prometheus's text format."""
        ...

    def checks(self) -> tuple[tuple[Result, datetime], ...]:
        """The newest result of each check, and when it was found; none before the first run."""
        ...

    def check(
        self, ids: Iterable[str], skipped: Iterable[str], *, fix: bool
    ) -> tuple[tuple[Result, datetime], ...]:
        """Run checks now, within 12 s. Raises NotFound for an id that is none."""
        ...

    def events(self, limit: int, *, follow: bool, kind: str = "") -> Iterator[dict[str, Any]]:
        """The newest events of *kind* (`is_of`), oldest first; with *follow* it goes on with what happens, until it
        is closed.
        """
        ...

    def trends(self) -> dict[str, Any]:
        """How modules fared over the last day (decide/trends.py)."""
        ...

    def insight(self) -> dict[str, Any]:
        """The last cycle's plan, the variants with their verdicts, the hardware (decide/insight.py)."""
        ...

    def takes_orders(self) -> bool:
        """Whether the page gives orders, with a token."""
        ...

    def wait(self, turn: int, timeout_s: float) -> int:
        """Return the turn now, at once if it is not *turn* any more: each cycle and each event is one."""
        ...

    def config(self) -> tuple[tuple[str, Any, str], ...]:
        """(key, value, origin) of every setting."""
        ...
