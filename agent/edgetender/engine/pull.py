"""How does an image get here through the engine's own pull, and how far is it?

`POST /images/create` answers with a stream of JSON events, one per change of a layer. Their words, order and
structure are documented nowhere (the API's reference says only that it is JSON); what is read here is what
moby's distribution/xfer/download.go and pkg/streamformatter write, and events of other words are ignored.
Only the end is trusted, and that is checked: the image must be there.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from edgetender.clock import Clock
from edgetender.engine.outcomes import pull_failure
from edgetender.engine.stream import Stream, message_in
from edgetender.errors import PullStalled
from edgetender.model.image import Credential, ImageReference
from edgetender.model.observed import PullProgress

_REPORT_EVERY_S = 0.25
_RATE_OVER_S = 10.0


@dataclass
class Layers:
    """What the events so far say of each layer, by the engine's short id."""

    sizes: dict[str, int] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)
    unpacked: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)  # announced, of unknown size
    seen: set[str] = field(default_factory=set)

    def take(self, event: Mapping[str, Any]) -> None:
        """Fold one event in; unknown ones change nothing."""
        layer, detail = event.get("id"), event.get("progressDetail") or {}
        if not isinstance(layer, str):
            return
        current, total = detail.get("current"), detail.get("total")
        match event.get("status"):
            case "Pulling fs layer" | "Waiting":
                self.waiting.add(layer)
            case "Downloading" if isinstance(current, int):
                self.waiting.discard(layer)
                self.fetched[layer] = current
                if isinstance(total, int) and total > 0:
                    self.sizes[layer] = total
            case "Verifying Checksum" | "Download complete":
                self._fetched(layer)
            case "Extracting" if isinstance(current, int):
                self._fetched(layer)
                self.unpacked[layer] = current
            case "Pull complete":
                self._fetched(layer)
                self.unpacked[layer] = self.fetched[layer]
                self.done.add(layer)
            case "Already exists":
                self.waiting.discard(layer)
                self.done.add(layer)
            case _:
                return
        self.seen.add(layer)

    def _fetched(self, layer: str) -> None:
        self.waiting.discard(layer)
        self.fetched[layer] = self.sizes.get(layer, self.fetched.get(layer, 0))

    @property
    def total_bytes(self) -> int | None:
        """None while a layer waits for its turn: the engine fetches three at a time and tells sizes late."""
        return None if self.waiting or not self.seen else sum(self.sizes.values())


def pull(
    address: str,
    api_version: str,
    reference: ImageReference,
    credential: Credential | None,
    progress: Callable[[PullProgress], bool],
    *,
    clock: Clock,
    timeout_s: float,
) -> None:
    """Fetch *reference* and return when the engine said its last word; see `Engine.pull`. For one thread."""
    query = urlencode({"fromImage": reference.name, "tag": reference.digest or reference.tag or "latest"})
    headers = {} if credential is None else {"X-Registry-Auth": _auth_header(reference, credential)}
    path = f"/v{api_version}/images/create?{query}"
    report = _Report(reference, progress, clock)
    with Stream(
        address, "POST", path, what=f"pull {reference}", headers=headers, timeout_s=timeout_s
    ) as stream:
        for line in stream.lines():
            if line and stream.refused():
                raise pull_failure(str(reference), message_in(line))
            for event in _events(line):
                if "error" in event or "errorDetail" in event:
                    raise pull_failure(str(reference), _words(event))
                report.layers.take(event)
            if not report.make(at_once=not line):
                raise PullStalled(f"cannot pull {reference}: given up, it no longer moved")
    report.make(at_once=True)


class _Report:
    """Tells *progress* how far it is, not more often than is useful."""

    def __init__(
        self, reference: ImageReference, progress: Callable[[PullProgress], bool], clock: Clock
    ) -> None:
        self.layers = Layers()
        self._reference, self._progress, self._clock = str(reference), progress, clock
        self._started_at = clock.now()
        self._last = clock.monotonic()
        self._marks = deque([(self._last, 0)])

    def make(self, *, at_once: bool) -> bool:
        """Return whether to go on."""
        now = self._clock.monotonic()
        if not at_once and now - self._last < _REPORT_EVERY_S:
            return True
        self._last = now
        layers = self.layers
        done = sum(layers.fetched.values())
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_OVER_S:  # noqa: PLR2004  # first and last
            self._marks.popleft()
        since, before = self._marks[0]
        return self._progress(
            PullProgress(
                self._reference,
                done_bytes=done,
                total_bytes=layers.total_bytes,
                layers_done=len(layers.done),
                layers_total=len(layers.seen) or None,
                unpacked_bytes=sum(layers.unpacked.values()),
                bytes_per_s=max(0, done - before) / (now - since) if now > since else 0.0,
                started_at=self._started_at,
            )
        )


def _events(line: bytes) -> Iterator[Mapping[str, Any]]:
    if not line:
        return
    with contextlib.suppress(ValueError):
        event = json.loads(line)
        if isinstance(event, dict):
            yield event


def _words(event: Mapping[str, Any]) -> str:
    detail = event.get("errorDetail")
    return str(
        (detail.get("message") if isinstance(detail, dict) else None) or event.get("error") or "no reason"
    )


def _auth_header(reference: ImageReference, credential: Credential) -> str:
    """The credential for this one request; nothing is written to a file of Docker's."""
    login = {"serveraddress": reference.registry}
    if credential.is_identity:
        login["identitytoken"] = credential.password.reveal()
    else:
        login |= {"username": credential.username, "password": credential.password.reveal()}
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode()
