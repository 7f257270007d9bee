"""What has been scored in production? A sample of requests and answers, in rotating files or to the cloud."""

from __future__ import annotations

import base64
import errno
import json
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender_scoring.drift import Baseline
from edgetender_scoring.message import Request
from edgetender_scoring.stream import Stream, encoded
from edgetender_scoring.watching import Drift

log = logging.getLogger("edgetender_scoring")

_PIECES = 8
_WAITING_BYTES = 16_000_000
_END_S = 2.0
_AGENT = (b"User-Agent", b"edgetender")  # its questions before a model goes live are no production data


@dataclass(frozen=True, slots=True)
class Collect:
    """Where to, how much: *sample* is the part of the requests (0 to 1), *most* the bytes of all files.

    With a *stream*, *place* is the socket that takes it. With a *baseline*, requests are compared with it, so many
    *per_second*; a *stream* is then told of it each hour.
    """

    place: Path
    sample: float = 1.0
    most: int = 100_000_000
    answers: bool = True
    stream: str = ""
    baseline: Baseline | None = None
    per_second: float = math.inf

    @property
    def keeper(self) -> _Files | Stream | Drift:
        """What takes the records; a folder is made."""
        stream = Stream(self.place, self.stream) if self.stream else None
        if self.baseline is not None:
            return Drift(self.baseline, stream)
        if stream is not None:
            return stream
        self.place.mkdir(parents=True, exist_ok=True)
        return _Files(self.place, self.most)


class Collector:
    """Keeps records on a thread of its own; what it cannot keep up with is dropped and counted."""

    def __init__(self, what: Collect, seed: int | None = None) -> None:
        import random  # late: few collect, and it takes memory

        self._what = what
        self._random = random.Random(seed)  # noqa: S311  which requests are in the sample is no secret
        self._queue: queue.SimpleQueue[tuple[dict[str, Any], bytes, bytes] | None] = queue.SimpleQueue()
        self._taken = self._done = 0  # bytes: each is written by one thread only
        self._refused = self._failed = 0
        self._apart_s, self._next = 1 / what.per_second, 0.0
        self.written = 0
        self._keeper = what.keeper
        self._thread = threading.Thread(target=self._work, name="collector", daemon=True)
        self._thread.start()

    @property
    def drift(self) -> Drift | None:
        """What follows drift; None where records are kept."""
        return self._keeper if isinstance(self._keeper, Drift) else None

    @property
    def sends(self) -> bool:
        """Whether to the cloud, not into files."""
        return bool(self._what.stream)

    @property
    def dropped(self) -> int:
        """Records that were in the sample and were not kept."""
        return self._refused + self._failed

    def note(self, request: Request, status: int, answer: bytes, model: str, version: str) -> None:
        """Take one request and its answer into the sample, or not. Event loop only."""
        if self._random.random() >= self._what.sample or _AGENT in request.headers:
            return
        if self._apart_s:
            if (now := time.monotonic()) < self._next:
                return
            self._next = now + self._apart_s
        size = len(request.body) + len(answer)
        if self._taken - self._done + size > _WAITING_BYTES:
            self._refused += 1
            return
        self._taken += size
        about = {
            "time": time.time(),
            "request_id": request.request_id,
            "client_request_id": request.client_request_id or request.ms_request_id,
            "model": model,
            "version": version,
            "status": status,
        }
        self._queue.put((about, request.body or request.query, answer))

    def close(self) -> None:
        """Write what waits, for a short time."""
        self._queue.put(None)
        self._keeper.end()
        self._thread.join(_END_S)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            about, given, answer = item
            self._done += len(given) + len(answer)
            try:
                record = {**about, "input": _shown(given)}
                if self._what.answers:
                    record["output"] = _shown(answer)
                kept = self._keeper.append(record)
            except Exception as error:  # noqa: BLE001  whatever a client asked, the next record is kept
                kept = False
                if not self._failed:
                    log.warning("production data is not collected: %s", error)
            if kept:
                self.written += 1
            else:
                self._failed += 1
        self._keeper.close()


def _shown(data: bytes) -> Any:
    """JSON as it is, text as text, anything else as base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


class _Files:
    """Numbered pieces of equal size; the oldest go when all together grow too large. One thread."""

    def __init__(self, place: Path, most: int) -> None:
        self._place, self._most, self._piece = place, most, max(most // _PIECES, 1)
        self._number = max((_number(path) for path in place.glob("data-*.jsonl")), default=0)
        self._file: int | None = None
        self._size = 0

    def append(self, record: Mapping[str, Any]) -> bool:
        """Write *record*; False when it is larger than a piece may be. Raises OSError."""
        line = encoded(record) + b"\n"
        if len(line) > self._piece:
            return False
        if self._file is None or self._size + len(line) > self._piece:
            self._rotate()
        if self._file is not None:
            if os.write(self._file, line) < len(line):  # a disk takes what it still can
                os.ftruncate(self._file, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += len(line)
        return True

    def _rotate(self) -> None:
        self.close()
        pieces = sorted(self._place.glob("data-*.jsonl"), key=_number)
        total = sum(path.stat().st_size for path in pieces)
        while pieces and total + self._piece > self._most:
            total -= pieces[0].stat().st_size
            pieces.pop(0).unlink()
        self._number += 1
        path = self._place / f"data-{self._number:06d}.jsonl"
        self._file = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )  # people's data may be in it
        self._size = 0

    def end(self) -> None:
        """Nothing here waits."""

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("data-")
    return int(digits) if digits.isdigit() else 0
