"""The state database breaks, or the disk is full: containers go on, the agent says so and finds its way back."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.clock import SystemClock
from edgetender.errors import DiskFull, Permanent
from edgetender.receiving import Inbox
from edgetender.store.state import SqliteStore
from edgetender.waking import Flags, accepting
from tests.builders.loops import Loop, deployed, ids, running, serving
from tests.builders.manifests import SCORER, image, manifest, module
from tests.fakes.transport import FakeTransport

NEXT = image("scorer", "b")
TWO = manifest(2, scorer=module(), other=module(image=image("other")))


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    """Version 2 of two modules runs; the database is closed."""
    loop = Loop(store=SqliteStore(tmp_path / "state.db"))
    loop.puller.registry |= {SCORER, image("other"), NEXT}
    loop.push(TWO)
    loop.run(20)
    assert set(running(loop)) == {"scorer", "other"}
    loop.store.close()
    return loop


def reopened(loop: Loop, path: Path) -> str | None:
    loop.store, lost = SqliteStore.open(path, loop.clock)
    loop.boot()
    return lost


def drop_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE ledger")
    connection.close()


def older_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()


DAMAGE = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "of zero bytes": lambda path: os.truncate(path, 0),
    "garbage": lambda path: path.write_bytes(b"\x00\xffgarbage" * 3000),
    "of another schema": older_schema,
    "without a table": drop_table,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_database_is_kept_aside_and_rebuilt_while_containers_go_on(
    loop: Loop, tmp_path: Path, damage
):
    before, effects = ids(loop), list(loop.engine.effects)
    damage(tmp_path / "state.db")
    lost = reopened(loop, tmp_path / "state.db")
    assert lost is not None
    assert "begun anew" in lost
    assert len(list(tmp_path.glob("state.db.damaged-*"))) == 1
    loop.run(30)  # the cloud is away
    assert loop.engine.effects == effects
    loop.push(TWO)  # the retained manifest comes again
    loop.run(30)
    assert ids(loop) == before
    assert loop.engine.effects == effects
    assert loop.last.ledger.accepted.version == 2
    assert not loop.last.plan.steps
    loop.store.close()


def test_what_runs_holds_the_floor_when_the_database_is_lost(loop: Loop, tmp_path: Path):
    effects = list(loop.engine.effects)
    DAMAGE["garbage"](tmp_path / "state.db")
    reopened(loop, tmp_path / "state.db")
    loop.run(3)
    replayed = loop.push(manifest(1, scorer=module(image=NEXT)))
    loop.run(20)
    assert loop.store.decision(replayed).code == 409
    assert loop.engine.effects == effects
    loop.store.close()


def test_lost_commits_lower_no_floor_and_are_made_up_for_by_redelivery(loop: Loop, tmp_path: Path):
    path, old = tmp_path / "state.db", tmp_path / "old.db"
    shutil.copy(path, old)
    three = manifest(3, scorer=module(image=NEXT), other=module(image=image("other")))
    reopened(loop, path)
    loop.push(three)
    loop.run(20)
    loop.store.close()
    shutil.copy(old, path)  # as a damaged write-ahead log leaves it: sound, and of some time ago
    assert reopened(loop, path) is None
    loop.run(20)
    assert loop.last.ledger.floor == 3
    loop.push(three)
    loop.run(20)
    assert running(loop)["scorer"] == NEXT
    assert loop.last.ledger.accepted.version == 3
    loop.store.close()


def test_a_database_of_a_newer_release_ends_the_start_and_nothing_else(loop: Loop, tmp_path: Path):
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    effects = list(loop.engine.effects)
    with pytest.raises(Permanent, match="newer edgetender"):
        SqliteStore.open(tmp_path / "state.db")
    assert loop.engine.effects == effects
    assert not list(tmp_path.glob("*.damaged-*"))


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Root may write everywhere; the kernel asks for the effective user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_directory_we_may_not_write_to_is_said_with_what_helps():
    with tempfile.TemporaryDirectory() as folder:  # not below tmp_path, which only its owner may enter
        Path(folder).chmod(0o555)
        with nobody(), pytest.raises(Permanent, match="may this user write to"):
            SqliteStore.open(Path(folder, "state.db"))


def test_a_kept_manifest_that_this_release_cannot_read_leaves_what_runs_alone(loop: Loop, tmp_path: Path):
    effects = list(loop.engine.effects)
    store = SqliteStore(tmp_path / "state.db")
    ledger = store.ledger()
    foreign = ledger.accepted.body.replace("edgetender/v1", "edgetender/v9")
    store.commit(_with_accepted_body(ledger, foreign))
    store.close()
    reopened(loop, tmp_path / "state.db")
    loop.run(20)
    assert loop.engine.effects == effects
    assert loop.last.ledger.accepted is None
    loop.push(TWO)
    loop.run(20)
    assert loop.engine.effects == effects
    assert loop.last.ledger.accepted.version == 2
    loop.store.close()


def _with_accepted_body(ledger, body: str):
    return dataclasses.replace(ledger, accepted=dataclasses.replace(ledger.accepted, body=body))


# --- a full disk

FULL = DiskFull("cannot write state.db: the disk is full; free some space")


def test_with_a_full_disk_a_crashed_container_is_still_restarted_and_the_cycle_says_why_nothing_is_kept():
    loop = deployed()
    loop.store.full = FULL
    loop.engine.crash(serving(loop), 1)
    loop.run(5)
    assert running(loop) == {"scorer": SCORER}
    assert loop.last.trouble == str(FULL)
    assert loop.last.ledger.restarts == {"scorer": 1}
    loop.store.full = None
    loop.run(5)
    assert loop.last.trouble is None
    assert loop.store.ledger().restarts == {"scorer": 1}


def test_with_a_full_disk_a_manifest_is_not_acknowledged_and_comes_again():
    loop, flags, transport = deployed(), Flags(), FakeTransport()
    loop.puller.registry.add(NEXT)
    transport.open(accepting(Inbox(loop.store, SystemClock(), None).deliver, "mqtt", flags), flags.wake.set)
    loop.store.full = FULL
    body = b'{"schema":"edgetender/v1","deployment":"line3","version":2,"modules":{"scorer":{"image":"%s"}}}'
    assert not transport.deliver(body % NEXT.encode())
    loop.run(3)
    assert not flags.crashed
    assert running(loop) == {"scorer": SCORER}
    loop.store.full = None
    transport.come_up()
    assert not transport.unacknowledged
    loop.run(30)
    assert running(loop) == {"scorer": NEXT}


def test_a_delivery_that_cannot_be_decided_for_want_of_space_waits_undecided():
    loop = deployed()
    loop.puller.registry.add(NEXT)
    number = loop.push(manifest(2, scorer=module(image=NEXT)))
    loop.store.full = FULL
    loop.run(10)
    assert loop.store.decision(number) is None
    assert loop.last.ledger.candidate is None
    loop.store.full = None
    loop.run(30)
    assert loop.store.decision(number) is not None
    assert running(loop) == {"scorer": NEXT}


def test_a_verdict_waits_until_it_can_be_written_down():
    loop = deployed()
    loop.puller.registry.add(NEXT)
    loop.push(manifest(2, scorer=module(image=NEXT)))
    loop.run(4)
    assert running(loop) == {"scorer": NEXT}
    loop.store.full = FULL
    loop.run(30)
    assert loop.last.ledger.candidate.version == 2
    loop.store.full = None
    loop.run(3)
    assert loop.last.ledger.accepted.version == 2
    assert [(e.version, e.result) for e in loop.store.history()] == [(2, "running"), (1, "superseded")]


# --- deliveries that nobody foresaw


def test_a_delivery_that_breaks_the_agent_is_answered_and_never_seen_again():
    loop = deployed()
    memory = loop.reconciler._memory
    memory.manifest_of = _Broken(memory.manifest_of)
    number = loop.push(manifest(2, scorer=module(env={"V": "2"})))
    loop.run(3)
    assert loop.store.decision(number).code == 500
    assert "RuntimeError" in loop.store.decision(number).description
    assert running(loop) == {"scorer": SCORER}


class _Broken:
    """Fails once, as code with a bug does for one input."""

    def __init__(self, real):
        self.real, self.failed = real, False

    def __call__(self, slot):
        if slot.version == 2 and not self.failed:
            self.failed = True
            raise RuntimeError("a bug")
        return self.real(slot)
