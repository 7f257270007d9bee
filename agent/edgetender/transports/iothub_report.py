"""What of a report does the hub not know yet, and when is it told? A hub counts writes, not bytes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgetender.errors import AgentError, LinkDown, WithProblems
from edgetender.transports.iothub_edge import edge_shape
from edgetender.transports.iothub_twin import compact, difference, is_urgent

_INVALID = 400
_RETRY_S = 5.0
_REMEMBERED = 16


class Writer(Protocol):
    """Who merges a patch into the reported properties. Raises LinkDown."""

    def report(self, patch: Mapping[str, Any], timeout_s: float) -> None: ...


class Reports:
    """Keeps what the twin has and what it should have. What somebody waits for is written at once, the rest
    together, at most once in *quiet_s*.

    `lastDesiredVersion` becomes the twin's `$version`, which hubs compare; ours is `deploymentVersion`.
    Threads: any; *stir* is called when something is to be flushed, at once or when it is due.
    """

    def __init__(self, compat: str, quiet_s: float, stir: Callable[[], None]) -> None:
        self._compat, self._quiet_s, self._stir = compat, quiet_s, stir
        self._lock = threading.RLock()
        self._documents: dict[str, Any] = {}  # by topic
        self._known: dict[str, Any] = {}
        self._held_by: dict[Any, int] = {}  # a manifest's version → that of the twin which held it
        self._refusal: dict[str, Any] | None = None
        self._wrote_at = float("-inf")
        self._due_at: float | None = None

    def known(self, reported: Mapping[str, Any]) -> None:
        """What the twin has, just read."""
        with self._lock:
            self._known = {key: value for key, value in reported.items() if key[:1] != "$"}

    def offered(self, version: int, manifest: bytes) -> None:
        """The twin of *version* held *manifest*."""
        mine = _version_in(manifest)
        with self._lock:
            withdrawn, self._refusal = self._refusal is not None, None
            self._held_by = dict([*self._held_by.items(), (mine, version)][-_REMEMBERED:])
            if self._documents or withdrawn:
                self._hold(0.0)  # the same manifest in a newer twin; else there is no difference yet

    def refuse(self, version: int, error: AgentError) -> None:
        """The twin of *version* holds no manifest that could be handed over."""
        problems = error.problems if isinstance(error, WithProblems) else ()
        told = [{"path": one.path, "code": one.code, "message": one.message} for one in problems]
        with self._lock:
            status = {"code": _INVALID, "description": str(error), "problems": told}
            self._refusal = {"lastDesiredVersion": version, "lastDesiredStatus": status}
            self._hold(0.0)

    def send(self, writer: Writer, topic: str, document: Any, timeout_s: float) -> None:
        """Write *document* as the state of *topic*, or keep it for later. Raises LinkDown."""
        with self._lock:
            self._documents[topic] = document
            patch = self._patch()
            wait_s = self._wrote_at + self._quiet_s - time.monotonic()
            if not patch:
                self._due_at = None
            elif is_urgent(patch) or wait_s <= 0:
                self._write(writer, patch, timeout_s)
            else:
                self._hold(wait_s)

    def due_s(self) -> float:
        """In how long something is to be flushed; infinity for nothing."""
        due_at = self._due_at
        return float("inf") if due_at is None else max(0.0, due_at - time.monotonic())

    def flush(self, writer: Writer) -> None:
        """Write what was kept, if it is time. A hub that says no is asked again later."""
        with self._lock:
            if self._due_at is None or self._due_at > time.monotonic():
                return
            patch = self._patch()
            try:
                if patch:
                    self._write(writer, patch, _RETRY_S * 4)
                self._due_at = None
            except LinkDown:
                self._due_at = time.monotonic() + _RETRY_S

    def _write(self, writer: Writer, patch: dict[str, Any], timeout_s: float) -> None:
        wanted = self._wanted()
        writer.report(patch, timeout_s)
        self._known = {key: value for key, value in self._known.items() if key not in patch} | {
            key: wanted[key] for key in patch if key in wanted
        }
        self._wrote_at, self._due_at = time.monotonic(), None

    def _hold(self, wait_s: float) -> None:
        due_at = time.monotonic() + wait_s
        self._due_at = due_at if self._due_at is None else min(self._due_at, due_at)
        self._stir()

    def _patch(self) -> dict[str, Any]:
        """From what the twin has of what we write, or wrote once, to what it should have: the rest is others'."""
        wanted = self._wanted()
        mine = (_EDGE_KEYS if self._compat else _KEYS) | wanted.keys()
        return difference({key: value for key, value in self._known.items() if key in mine}, wanted)

    def _wanted(self) -> dict[str, Any]:
        whole = dict(self._documents.get("reported") or {})
        if (mine := whole.pop("lastDesiredVersion", None)) is not None:
            whole |= {"deploymentVersion": mine, "lastDesiredVersion": self._held_by.get(mine)}
        whole |= self._refusal or {}
        wanted = edge_shape(whole) if self._compat else compact(whole)
        others = {topic: value for topic, value in self._documents.items() if topic != "reported"}
        return wanted | compact(others)


def _version_in(manifest: bytes) -> int | None:
    """The version of a manifest, signed or not, or of an IoT Edge twin; None for what is none."""
    try:
        document = json.loads(manifest)
        if "payload" in document:
            document = json.loads(base64.b64decode(document["payload"]))
        version = document.get("version", document.get("$version"))
    except (ValueError, AttributeError, TypeError):
        return None
    return version if isinstance(version, int) else None


_KEYS = frozenset({
    "schema", "device", "agent", "health", "lastDesiredVersion", "lastDesiredStatus", "deploymentVersion",
    "accepted", "candidate", "engine", "hardware", "modules",
})  # fmt: skip
_EDGE_KEYS = frozenset({
    "schemaVersion", "version", "lastDesiredVersion", "lastDesiredStatus", "runtime", "systemModules", "modules",
})  # fmt: skip
