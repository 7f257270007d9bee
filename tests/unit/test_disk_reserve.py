"""A full disk: what must be kept is written in the room that was kept for it, on a file system of 16 MiB."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgetender.errors import DiskFull
from edgetender.model.ledger import Ledger
from edgetender.store.state import SqliteStore

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SIZE = 2 * 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def fill(place: Path) -> Path:
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


def test_on_a_full_disk_the_reserve_is_given_up_and_taken_again_when_there_is_room(small: Path) -> None:
    store = SqliteStore(small / "state.db", reserve_bytes=SIZE)
    reserve = small / "reserve"
    assert reserve.stat().st_blocks * 512 >= SIZE
    ballast = fill(small)
    body = b"x" * 200_000
    number = store.deliver("manifest", "mqtt", body, NOON)
    store.commit(Ledger(floor=7))
    assert [one.body for one in store.deliveries()] == [body]
    assert not reserve.exists()
    ballast.unlink()
    store.commit(Ledger(floor=8))
    assert reserve.exists()
    store.close()
    again = SqliteStore(small / "state.db", reserve_bytes=SIZE)
    assert (again.ledger().floor, [one.id for one in again.deliveries()]) == (8, [number])
    again.close()


def test_when_the_reserve_is_used_up_the_disk_is_full(small: Path) -> None:
    store = SqliteStore(small / "state.db", reserve_bytes=SIZE)
    fill(small)
    with pytest.raises(DiskFull):
        flood(store)
    store.close()


def flood(store: SqliteStore) -> None:
    for _ in range(20):
        store.deliver("manifest", "mqtt", b"x" * 400_000, NOON)


def test_a_disk_with_little_room_is_not_filled_by_the_reserve(small: Path) -> None:
    store = SqliteStore(small / "state.db", reserve_bytes=8 * 1024 * 1024)
    assert not (small / "reserve").exists()
    store.close()
