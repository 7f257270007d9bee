"""An upgrade of the agent forgets nothing and restarts nothing: what the release of 2026-11-23 left is understood."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.store import ledger_json
from edgetender.store.database import crc
from edgetender.store.schema import STATE, prepare
from edgetender.store.state import SqliteStore
from tests.builders.ledgers import resolution
from tests.builders.loops import AMD64, FRONTED
from tests.builders.manifests import manifest, module

# every field filled, as that release wrote it
ROWS: dict[str, Any] = json.loads(Path(__file__).with_name("ledger-2026-11-23.json").read_text())
HISTORY = json.dumps(ROWS.pop("history"))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    rows = [(name, json.dumps(value)) for name, value in ROWS.items()]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        prepare(database, STATE[:1], name="state.db", journal_bytes=2**20, page_bytes=4096)
        database.executemany(
            "INSERT INTO ledger (section, body, crc) VALUES (?, ?, ?)",
            [(name, body, crc(name, body)) for name, body in rows],
        )
        database.execute(
            "INSERT INTO history (version, entry, crc, body, body_crc) VALUES (7, ?, ?, '', 0)",
            (HISTORY, crc(HISTORY)),
        )
        later = json.dumps(json.loads(HISTORY) | {"version": 3, "epoch": 2})
        database.executemany(
            "INSERT INTO history (version, entry, crc, body, body_crc) VALUES (?, ?, ?, 'kept', ?)",
            [(3, later, crc(later), crc("kept")), (4, "{", crc("{"), crc("kept"))],
        )
    return path


def test_its_ledger_is_read_whole_and_what_is_younger_is_as_new(left: Path):
    with closing(SqliteStore(left)) as store:
        ledger, (later, entry) = store.ledger(), store.history()

    assert store.lost == "state.db: damaged and left out: history of version 4"  # as it was before
    assert (later.edition, later.body) == ((2, 3), "kept")
    for field in fields(Ledger):
        value, unsaid = getattr(ledger, field.name), getattr(Ledger(), field.name)
        assert (value == unsaid) == (field.name not in ROWS), field.name
    assert (entry.version, entry.result, entry.epoch) == (7, "running", 0)


def test_what_it_wrote_stands_in_what_is_written_now(left: Path):
    """So that release can be gone back to: only names are added."""
    with closing(SqliteStore(left)) as store:
        ledger = store.ledger()

    for name, before in ROWS.items():
        assert _holds(json.loads(ledger_json.dump(getattr(ledger, name))), before), name


@pytest.mark.parametrize(
    ("hardware", "front", "digest"),
    [
        (AMD64, "none", "46038db82fd62cbca3ee11025253d7e6174d98020c9658ecfe3e2cceaa2031b3"),
        (FRONTED, "proxy", "0854b73cf1fa18fdbbb20b35636d629b2ca9d9c7ab8a3481804f978838163cf9"),
    ],
)
def test_its_containers_are_what_the_same_manifest_wants(hardware: Hardware, front: str, digest: str):
    """Another digest would replace each of them on each device that is upgraded."""
    document = manifest(1, a=module(ports=["9000:5001"], health={"http": {"port": 5001, "path": "/r"}}))
    (spec,) = resolution(document, hardware=hardware).containers
    assert (spec.front, spec.digest) == (front, digest)


def test_its_largest_container_is_too():
    document = manifest(
        1,
        a=module(
            ports=["9000:5001", "127.0.0.1:9001:5002/udp"],
            env={"B": "1", "A": "2"},
            volumes=[{"name": "v", "path": "/d"}],
            resources={"memory": "64MiB", "cpus": 1, "pids": 50},
            command=["x"],
            health={"http": {"port": 5001, "path": "/r"}},
            restart="never",
            stop_grace=3,
        ),
    )
    (spec,) = resolution(document).containers
    assert spec.digest == "8de453bba4cbf2f8bb62b39a1c8685734ac018bc6995c6bf1fc3739829d2bcbb"


def _holds(now: Any, then: Any) -> bool:
    if isinstance(then, dict):
        return all(key in now and _holds(now[key], value) for key, value in then.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(map(_holds, now, then))
    return bool(now == then)
