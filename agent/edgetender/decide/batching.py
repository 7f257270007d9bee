"""Which messages go up as one? Far sides that count messages charge a small one like a large one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgetender.model.upstream import Batching, Message


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one topic in their order. *complete*: nothing more belongs into it."""

    messages: tuple[Message, ...]
    complete: bool = True

    def joined(self) -> Message:
        """One message: the bodies as a JSON array, or the only one as it is."""
        first = self.messages[0]
        if len(self.messages) == 1:
            return first
        body = b"[" + b",".join(message.body for message in self.messages) + b"]"
        return replace(first, body=body, parts=len(self.messages))


def batches(messages: Iterable[Message], batching: Batching | None) -> tuple[Batch, ...]:
    """*messages* in their order, but that telemetry joins what waits of its topic, up to *batching*'s bytes.

    What has more by itself goes alone; state and events always do. What a module sends waits for no more of it:
    only the module knows what it is worth to be told at once.
    """
    done: list[Batch] = []
    open_at: dict[str, int] = {}  # where in *done* the incomplete batch of a topic is
    for message in messages:
        if batching is None or message.retain or not message.topic.startswith("telemetry/"):
            done.append(Batch((message,)))
            continue
        place, at_once = open_at.get(message.topic), message.topic.count("/") > 1
        if place is not None:
            grown = (*done[place].messages, message)
            if sum(len(one.body) + 1 for one in grown) + 1 <= batching.bytes:
                done[place] = Batch(grown, complete=at_once)
                continue
            done[place] = Batch(done[place].messages)
        open_at[message.topic] = len(done)
        done.append(Batch((message,), complete=at_once))
    return tuple(done)
