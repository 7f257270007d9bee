"""What became of every message, counted by stream: accepted = delivered + queued + dropped, always."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from edgetender.model.upstream import OutboxFigures, StreamFigures


@dataclass(slots=True)
class _Count:
    queued: int = 0
    queued_bytes: int = 0
    delivered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def accepted(self) -> int:
        return self.delivered + self.queued + sum(self.dropped.values())


@dataclass(slots=True)
class Tally:
    """*age_s* is how long the agent ran in all. Not thread-safe: its outbox is."""

    age_s: float = 0.0
    _streams: dict[str, _Count] = field(default_factory=dict)

    @classmethod
    def read(cls, saved: Mapping[str, float], queued: Iterable[tuple[str, int, int]]) -> Tally:
        """*saved* is what `rows` gave; *queued* is (stream, messages, bytes) as they lie there."""
        tally = cls(saved.get("age_s", 0.0))
        for name, value in saved.items():
            what, _, rest = name.partition(":")
            stream, _, reason = rest.rpartition(":")
            if what == "delivered":
                tally._of(rest).delivered = int(value)
            elif what == "dropped":
                # an older edgetender counted all streams as one, without a reason
                count = tally._of(stream) if rest else tally._of("")
                count.dropped[reason or "quota"] = int(value)
        for stream, number, size in queued:
            found = tally._of(stream)
            found.queued, found.queued_bytes = number, size
        return tally

    def rows(self) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = [("age_s", self.age_s)]
        for stream, count in self._streams.items():
            found.append((f"delivered:{stream}", count.delivered))
            found += [(f"dropped:{stream}:{reason}", number) for reason, number in count.dropped.items()]
        return found

    def copy(self) -> Tally:
        return copy.deepcopy(self)

    def accept(self, stream: str, size: int) -> None:
        count = self._of(stream)
        count.queued += 1
        count.queued_bytes += size

    def deliver(self, stream: str, size: int) -> None:
        count = self._of(stream)
        count.delivered += 1
        count.queued -= 1
        count.queued_bytes -= size

    def drop(self, stream: str, size: int, reason: str) -> None:
        count = self._of(stream)
        count.dropped[reason] = count.dropped.get(reason, 0) + 1
        count.queued -= 1
        count.queued_bytes -= size

    def refuse(self, stream: str, size: int) -> None:
        self.drop(stream, size, "refused")

    def waiting(self) -> dict[str, int]:
        """Messages by stream, of those that have any."""
        return {stream: count.queued for stream, count in self._streams.items() if count.queued}

    def bytes_of(self, stream: str) -> int:
        return self._of(stream).queued_bytes

    @property
    def queued_bytes(self) -> int:
        return sum(count.queued_bytes for count in self._streams.values())

    def figures(self, oldest_s: Mapping[str, float]) -> OutboxFigures:
        """*oldest_s* is how long the oldest of each stream has waited."""
        streams = tuple(
            StreamFigures(
                name,
                count.queued,
                count.queued_bytes,
                count.accepted,
                count.delivered,
                tuple(sorted(count.dropped.items())),
                oldest_s.get(name, 0.0),
            )
            for name, count in sorted(self._streams.items())
        )
        return OutboxFigures(
            queued=sum(one.queued for one in streams),
            queued_bytes=sum(one.queued_bytes for one in streams),
            accepted=sum(one.accepted for one in streams),
            delivered=sum(one.delivered for one in streams),
            dropped=sum(number for one in streams for _, number in one.dropped),
            streams=streams,
        )

    def _of(self, stream: str) -> _Count:
        return self._streams.setdefault(stream, _Count())
