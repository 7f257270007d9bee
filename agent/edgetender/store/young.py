"""Which messages does the database not have yet? They wait in memory; some of them lie in the spool as well."""

from __future__ import annotations

from collections.abc import Iterable

from edgetender.store import room
from edgetender.store.packs import Row
from edgetender.store.sharing import Policies


class Young:
    """In their order. Not thread-safe: its outbox is."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._spooled = 0  # those up to this number lie in the spool
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._rows)

    def add(self, row: Row) -> None:
        self._rows[row.id] = row
        self.size += row.size

    def pop(self, number: int) -> Row | None:
        if (row := self._rows.pop(number, None)) is not None:
            self.size -= row.size
        return row

    def all(self) -> Iterable[Row]:
        return self._rows.values()

    def of(self, stream: str) -> Iterable[tuple[Row, bool]]:
        """Of a stream, each with whether it is as it was: what is in memory is."""
        return ((row, True) for row in self._rows.values() if row.stream == stream)

    def fresh(self) -> list[Row]:
        """Those that lie nowhere but here."""
        return [row for row in self._rows.values() if row.id > self._spooled]

    def is_spooled(self, row: Row) -> bool:
        return row.id <= self._spooled

    def spooled(self) -> None:
        """All of them lie in the spool now."""
        self._spooled = self.newest()

    def newest(self) -> int:
        return max(self._rows, default=0)

    def clear(self) -> None:
        self._rows.clear()
        self.size = 0

    def shed(self, most_bytes: int, policies: Policies) -> list[Row]:
        """Give up the cheapest until no more than *most_bytes* are left; which those were."""
        dropped = room.surplus(self._rows.values(), most_bytes, policies)
        for row in dropped:
            self.pop(row.id)
        return dropped
