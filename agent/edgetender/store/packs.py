"""How do many messages become few bytes? Packed together: alike as they are, most of what they say is said once.

Pure. What is packed is whole or not there: the checksum stands with whoever writes the pack down.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from edgetender.model.upstream import stream_of

MOST = 64  # messages in a pack: as many are written anew at most when one of them goes
_MOST_BYTES = 64 * 1024
_ROW_BYTES = 64  # what a row costs beside its body: it keeps many empty messages within the quota, too
_PLAIN, _DEFLATED = b"\0", b"\1"


@dataclass(frozen=True, slots=True)
class Row:
    """A message that waits.

    *until* is the outbox's age, in seconds, at which it expires. *at* is the wall time its producer believed
    (seconds since 1970), *since_boot* what did not jump, in the boot that is called *boot*.
    """

    stream: str
    id: int
    topic: str
    body: bytes
    expiry_s: int | None
    until: float
    at: float
    boot: int
    since_boot: float

    @property
    def size(self) -> int:
        """What it counts for against the quota, in bytes."""
        return len(self.body) + len(self.topic) + _ROW_BYTES

    @property
    def key(self) -> tuple[str, int]:
        return self.stream, self.id


def pack(rows: Iterable[Row]) -> bytes:
    found = list(rows)
    about = [
        (row.id, row.topic, len(row.body), row.expiry_s, row.until, row.at, row.boot, row.since_boot)
        for row in found
    ]
    head = json.dumps(about, separators=(",", ":")).encode()
    plain = b"%d\n%b%b" % (len(head), head, b"".join(row.body for row in found))
    deflated = zlib.compress(plain, 3)
    return _DEFLATED + deflated if len(deflated) < len(plain) else _PLAIN + plain


@lru_cache(maxsize=8)  # who is sent, one after the other, lies in the same pack
def unpack(packed: bytes) -> tuple[Row, ...]:
    """What `pack` was given. Raises ValueError for what it did not make."""
    try:
        plain = zlib.decompress(packed[1:]) if packed[:1] == _DEFLATED else packed[1:]
        length, _, rest = plain.partition(b"\n")
        about, bodies = json.loads(rest[: int(length)]), rest[int(length) :]
        rows, start = [], 0
        for number, topic, size, *others in about:
            rows.append(Row(stream_of(topic), number, topic, bodies[start : start + size], *others))
            start += size
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise ValueError(f"not a pack: {error}") from error
    return tuple(rows)


def parted(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """*rows* in their order, as many at a time as go into one pack."""
    part: list[Row] = []
    size = 0
    for row in rows:
        if part and (len(part) >= MOST or size + row.size > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += row.size
    if part:
        yield part
