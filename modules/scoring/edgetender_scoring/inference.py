"""How does a request become a run of a model, alone or together with others? Any thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgetender_scoring.message import Request
from edgetender_scoring.onnx_model import Model
from edgetender_scoring.outcome import IN_SERVER, Outcome
from edgetender_scoring.tensors import Array, Refused

_BYTES_MORE = 16  # what a request takes beside its bytes, as if it were bytes
_JSON_BEGINS = frozenset(b'{["-0123456789tfn \t\r\n')

log = logging.getLogger("edgetender_scoring")


@dataclass(slots=True)  # not frozen: one is made for each request, and freezing triples its cost
class Asked:
    """What a request asks of a model. *wanted*: output names; *reply*: how its codec is to answer."""

    feeds: dict[str, Array]
    wanted: tuple[str, ...]
    reply: Any = None

    @property
    def rows(self) -> int:
        """How long the first axis is."""
        for array in self.feeds.values():
            return len(array)
        return 0


class Codec(Protocol):
    """One way requests and answers look."""

    def decode(self, request: Request, model: Model) -> Asked:
        """Return what is asked. Raises Refused."""
        ...

    def encode(self, asked: Asked, results: Sequence[Any], model: Model) -> Outcome:
        """Return the answer."""
        ...

    def error(self, status: int, text: str) -> Outcome:
        """Return an error in the codec's form."""
        ...


class ModelHandler:
    """Answers requests of one codec with one model."""

    def __init__(self, model: Model, codec: Codec) -> None:
        self.model, self._codec = model, codec
        self.batch = model.max_batch
        self._run = model.sizes.filled(model.run)
        self.stop = model.stop

    def takes_s(self, request: Request) -> float:
        body = request.body
        if body and body[0] not in _JSON_BEGINS:
            return (len(body) + _BYTES_MORE) * self.model.per_raw_byte_s
        return (len(body) + len(request.query) + _BYTES_MORE) * self.model.per_byte_s

    def call(self, request: Request) -> Outcome:
        try:
            asked = self._codec.decode(request, self.model)
        except Refused as refusal:
            return self._codec.error(refusal.status, str(refusal))
        except Exception:
            log.exception("a request could not be read")
            return self._codec.error(500, IN_SERVER)
        return self._alone(asked)

    def call_many(self, requests: Sequence[Request]) -> list[Outcome]:
        """Run together what fits together; whoever is refused or does not fit costs the others nothing."""
        outcomes: list[Outcome | None] = [None] * len(requests)
        groups: dict[Any, list[tuple[int, Asked]]] = {}
        for at, request in enumerate(requests):
            try:
                asked = self._codec.decode(request, self.model)
                groups.setdefault(self._signature(asked), []).append((at, asked))
            except Refused as refusal:
                outcomes[at] = self._codec.error(refusal.status, str(refusal))
            except Exception:
                log.exception("a request could not be read")
                outcomes[at] = self._codec.error(500, IN_SERVER)
        for group in groups.values():
            for part in _parts(group, self.batch):
                for (at, _), outcome in zip(part, self._together([one for _, one in part]), strict=True):
                    outcomes[at] = outcome
        return [one for one in outcomes if one is not None]

    def _signature(self, asked: Asked) -> Any:
        """What must be equal for requests to run together; one whose inputs differ in rows runs alone."""
        feeds = asked.feeds
        if self.model.rows_alike:
            return asked.wanted
        if len({array.shape[0] for array in feeds.values()}) != 1:
            return object()
        return asked.wanted, tuple((name, array.shape[1:]) for name, array in sorted(feeds.items()))

    def _alone(self, asked: Asked) -> Outcome:
        begun = time.perf_counter()
        try:
            results = self._run(asked.feeds, asked.wanted)
            return self._answer(asked, results, (time.perf_counter() - begun) * 1e3)
        except Refused as refusal:
            return self._codec.error(refusal.status, str(refusal))
        except Exception:
            log.exception("model %s failed", self.model.name)
            return self._codec.error(500, IN_SERVER)

    def _together(self, asked: Sequence[Asked]) -> list[Outcome]:
        if len(asked) == 1:
            return [self._alone(asked[0])]
        names = asked[0].feeds.keys()
        feeds = {name: np.concatenate([one.feeds[name] for one in asked]) for name in names}
        begun = time.perf_counter()
        try:
            results = self._run(feeds, asked[0].wanted)
        except Exception:  # noqa: BLE001  one of them may be at fault: each gets a run of its own, and its own answer
            return [self._alone(one) for one in asked]
        ran_ms = (time.perf_counter() - begun) * 1e3
        outcomes, row = [], 0
        for one in asked:
            end = row + one.rows
            outcomes.append(self._answer(one, [array[row:end] for array in results], ran_ms))
            row = end
        return outcomes

    def _answer(self, asked: Asked, results: Sequence[Any], ran_ms: float) -> Outcome:
        outcome = self._codec.encode(asked, results, self.model)
        outcome.exec_ms = ran_ms
        return outcome


def _parts(group: Sequence[tuple[int, Asked]], limit: int) -> list[list[tuple[int, Asked]]]:
    """Cut *group* so that no part has more than *limit* rows, unless a single request has."""
    parts: list[list[tuple[int, Asked]]] = []
    rows = limit
    for one in group:
        more = one[1].rows
        if rows + more > limit:
            parts.append([])
            rows = 0
        parts[-1].append(one)
        rows += more
    return parts
