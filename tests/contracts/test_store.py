"""What every Store keeps, on the fake and on SQLite; and what only a disk can do to the latter."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from edgetender.errors import DiskFull, Permanent
from edgetender.model.ledger import Attempt, Decision, HistoryEntry, Ledger, Slot
from edgetender.ports import Store
from edgetender.store.state import SqliteStore
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.store import FakeStore

SLOT = Slot("line3", 7, "ab" * 32, '{"version":7}', "mqtt", NOON)


@pytest.fixture(params=["fake", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = FakeStore() if request.param == "fake" else SqliteStore(tmp_path / "state.db")
    yield made
    made.close()


def entry(version: int, result: str = "running") -> HistoryEntry:
    return HistoryEntry(version, "line3", "ab" * 32, "mqtt", NOON, result, body=f"body {version}")


def test_a_new_store_is_empty(store: Store) -> None:
    assert (store.ledger(), store.deliveries(), store.history()) == (Ledger(), (), ())


def test_deliveries_wait_in_their_order_until_they_are_decided(store: Store) -> None:
    first = store.deliver("manifest", "mqtt", b"\x00\xff", NOON)
    second = store.deliver("restart", "cli (uid 0)", b"scorer", NOON + timedelta(seconds=1))
    assert [(each.id, each.kind, each.source, each.body) for each in store.deliveries()] == [
        (first, "manifest", "mqtt", b"\x00\xff"),
        (second, "restart", "cli (uid 0)", b"scorer"),
    ]
    assert store.deliveries()[1].received_at == NOON + timedelta(seconds=1)
    assert store.decision(first) is None
    decided = Decision(first, 400, "cannot accept the manifest", 7, (("modules.a", "range", "port 70000"),))
    store.commit(Ledger(), decisions=[decided])
    assert [each.id for each in store.deliveries()] == [second]
    assert store.decision(first) == decided
    assert store.decision(9999) is None


def test_a_commit_replaces_the_ledger(store: Store) -> None:
    attempts = MappingProxyType({"pull:x": Attempt(2, NOON, "registry.unreachable", "no route")})
    store.commit(Ledger(candidate=SLOT, floor=7, attempts=attempts))
    assert store.ledger() == Ledger(candidate=SLOT, floor=7, attempts=attempts)
    store.commit(Ledger(accepted=SLOT, floor=7))
    assert store.ledger() == Ledger(accepted=SLOT, floor=7)


def test_history_is_keyed_by_version_and_newest_first(store: Store) -> None:
    store.commit(Ledger(), history=[entry(1, "applying"), entry(2, "applying")])
    store.commit(Ledger(), history=[entry(1, "superseded")])
    assert [(each.version, each.result) for each in store.history()] == [(2, "applying"), (1, "superseded")]
    assert store.history(1) == (entry(2, "applying"),)


def test_history_keeps_fifty_versions_and_the_bodies_of_twenty(store: Store) -> None:
    store.commit(Ledger(), history=[entry(version) for version in range(1, 61)])
    kept = store.history()
    assert [each.version for each in kept] == list(range(60, 10, -1))
    assert [each.version for each in kept if each.body] == list(range(60, 40, -1))


def test_a_later_epoch_s_versions_are_newer_whatever_their_number(store: Store) -> None:
    store.commit(Ledger(), history=[entry(version) for version in range(101, 151)])
    store.commit(Ledger(), history=[dataclasses.replace(entry(version), epoch=2) for version in (1, 2)])
    kept = store.history()
    assert [each.version for each in kept] == [2, 1, *range(150, 102, -1)]
    assert [each.version for each in kept if each.body] == [2, 1, *range(150, 132, -1)]
    assert store.history(1) == kept[:1]


def test_each_epoch_s_version_of_the_same_number_is_kept(store: Store) -> None:
    again = dataclasses.replace(entry(7), epoch=2)
    store.commit(Ledger(), history=[entry(7, "superseded")])
    store.commit(Ledger(), history=[again])
    assert store.history() == (again, entry(7, "superseded"))
    store.commit(Ledger(), history=[dataclasses.replace(again, result="superseded")])
    assert [(one.epoch, one.result) for one in store.history()] == [(2, "superseded"), (0, "superseded")]


def test_a_flood_of_deliveries_costs_the_oldest_and_says_so(store: Store) -> None:
    numbers = [store.deliver("manifest", "mqtt", b"%d" % index, NOON) for index in range(203)]
    assert [each.id for each in store.deliveries()] == numbers[3:]
    dropped = store.decision(numbers[0])
    assert dropped is not None
    assert dropped.code == 503


def test_the_newest_two_hundred_decisions_are_remembered(store: Store) -> None:
    numbers = []
    for _ in range(205):
        numbers.append(store.deliver("manifest", "mqtt", b"", NOON))
        store.commit(Ledger(), decisions=[Decision(numbers[-1], 200, "taken")])
    assert [store.decision(number) is None for number in numbers[:6]] == [True] * 5 + [False]


def test_a_ledger_survives_the_end_of_its_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.commit(Ledger(accepted=SLOT, floor=7), history=[entry(7)])
    number = store.deliver("manifest", "mqtt", b"body", NOON)
    store.close()
    again, lost = SqliteStore.open(tmp_path / "state.db")
    assert lost is None
    assert again.ledger() == Ledger(accepted=SLOT, floor=7)
    assert [each.id for each in again.deliveries()] == [number]
    assert again.history() == (entry(7),)
    again.close()
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600


# --- kills and damage

_WRITES_THEN_DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from edgetender.model.ledger import Ledger
from edgetender.store.state import SqliteStore
from edgetender.store.outbox import SqliteOutbox
store = SqliteStore(Path(sys.argv[1]) / "state.db")
store.commit(Ledger(floor=12))
store.deliver("manifest", "mqtt", b"acknowledged", datetime.now(UTC))
outbox = SqliteOutbox(Path(sys.argv[1]) / "queue.db")
outbox.append("event/applied", b"event", datetime.now(UTC))
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_after_writing(directory: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _WRITES_THEN_DIES, str(directory)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL


def test_what_a_call_returned_from_survives_a_kill(tmp_path: Path) -> None:
    kill_after_writing(tmp_path)
    store, lost = SqliteStore.open(tmp_path / "state.db")
    assert lost is None
    assert store.ledger().floor == 12
    assert [each.body for each in store.deliveries()] == [b"acknowledged"]
    store.close()


def written(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(Ledger(accepted=SLOT, floor=7), history=[entry(version) for version in range(40)])
    store.deliver("manifest", "mqtt", b"x" * 20000, NOON)
    store.close()


DAMAGE = {
    "zeroed header": lambda raw: bytes(100) + raw[100:],
    "zeroed page": lambda raw: raw[:4096] + bytes(4096) + raw[8192:],
    "half gone": lambda raw: raw[: len(raw) // 2],
    "truncated": lambda raw: b"",
    "garbage": lambda raw: b"not a database at all, " * 400,
    "another's tables": lambda raw: foreign_database(),
}


def foreign_database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE ledger (what TEXT)")
    raw: bytes = connection.serialize()
    connection.close()
    return raw


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage) -> None:
    path = tmp_path / "state.db"
    written(path)
    path.write_bytes(damage(path.read_bytes()))
    store, lost = SqliteStore.open(path, FakeClock())
    assert lost is not None
    assert "state.db.damaged-20261124T120000Z" in lost
    assert (tmp_path / "state.db.damaged-20261124T120000Z").exists()
    assert store.ledger() == Ledger()
    number = store.deliver("manifest", "mqtt", b"new", NOON)
    store.close()
    again, lost = SqliteStore.open(path)
    assert lost is None
    assert [each.id for each in again.deliveries()] == [number]
    again.close()


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "state.db", FakeClock()
    for _ in range(6):
        path.write_bytes(b"garbage" * 1000)
        SqliteStore(path, clock).close()
    assert len(list(tmp_path.glob("state.db.damaged-*"))) == 3


def test_a_damaged_row_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE ledger SET body = replace(body, '7', '9') WHERE section = 'floor'")
    connection.execute("UPDATE deliveries SET body = x'00'")
    connection.execute("UPDATE versions SET entry = CAST(x'ff' AS TEXT) WHERE version = 3")
    connection.execute("UPDATE versions SET body = 'another' WHERE version = 39")
    connection.commit()
    connection.close()
    store, lost = SqliteStore.open(path)
    assert lost is not None
    assert all(name in lost for name in ("ledger floor", "delivery 1", "history of version 3"))
    assert store.ledger() == Ledger(
        accepted=SLOT, floor=7, floor_sha256=SLOT.sha256
    )  # the slot holds the floor
    assert store.deliveries() == ()
    decided = store.decision(1)
    assert decided is not None
    assert decided.code == 500
    assert len(store.history()) == 39
    assert store.history(1) == (dataclasses.replace(entry(39), body=""),)
    store.close()
    again, lost = SqliteStore.open(path)
    assert lost is not None  # the floor's row is written with the next commit that changes it
    again.close()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    written(path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Permanent, match="its schema is version 99"):
        SqliteStore.open(path)
    assert [found.name for found in tmp_path.glob("state.db*")] == ["state.db"]


def test_a_path_we_cannot_write_to_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(Permanent, match="cannot open"):
        SqliteStore.open(tmp_path / "state.db")


def test_a_full_disk_is_said_and_changes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.commit(Ledger(floor=1))
    with store._database.reading() as connection:  # SQLite's own bound answers as a full disk does
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="free some space"):
        store.deliver("manifest", "mqtt", b"x" * 100_000, NOON)
    with pytest.raises(DiskFull):
        store.commit(Ledger(floor=2), history=[dataclasses.replace(entry(1), body="x" * 100_000)])
    assert store.ledger() == Ledger(floor=1)
    with store._database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    assert store.deliver("manifest", "mqtt", b"x" * 100_000, NOON) > 0
    store.close()
