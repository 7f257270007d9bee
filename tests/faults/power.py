"""What could a power cut have left of the state directory? Rebuilt from the writes, at any of them, in any order.

What was synced is there. Of what was not, each write is there, lost, or (the last) torn at a sector; names that
were made, changed or removed since their directory was synced come in their order, up to anywhere.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgetender.store.outbox import SqliteOutbox
from edgetender.store.state import SqliteStore
from edgetender.trust.floor import FloorFiles
from tests.faults.device import Zygote
from tests.faults.scenarios import STORIES, Stage
from tests.faults.shim import Arm, Kind, Operation, operations

_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Promise:
    """What somebody was told at *at_s*: a delivery was taken, an event was kept, a version is the floor."""

    at_s: float
    what: str  # delivery | event | floor
    value: int | str


@dataclass
class _Inode:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cut:
    """After the first *number* operations; *seed* chooses what of the unsynced is there, None: nothing of it."""

    number: int
    seed: int | None = None
    everything: bool = False

    def __str__(self) -> str:
        kept = "all" if self.everything else "synced alone" if self.seed is None else f"chance {self.seed}"
        return f"cut {self.number}, {kept}"


class Disk:
    """The directory as it is and as it is known to be on the disk, moved on by one operation after the other."""

    def __init__(self) -> None:
        self._now: dict[str, _Inode | None] = {}  # None: a directory
        self._durable: dict[str, _Inode | None] = {}
        self._names: list[
            tuple[Operation, _Inode]
        ] = []  # not durable yet, each with the file it made, if it did

    def take(self, operation: Operation) -> None:
        match operation.kind:
            case Kind.WRITE | Kind.TRUNCATE:
                if (file := self._now.get(operation.path)) is not None:
                    file.pending.append(operation)
            case Kind.SYNC:
                self._sync(operation.path)
            case _:
                made = _Inode()
                _name(self._now, operation, made)
                self._names.append((operation, made))

    def _sync(self, path: str) -> None:
        file = self._now.get(path)
        if file is not None:
            for operation in file.pending:
                _apply(file.durable, operation)
            file.pending.clear()
            return
        for operation, made in [one for one in self._names if path in _changed(one[0])]:
            _name(self._durable, operation, made)
            self._names.remove((operation, made))

    def leave(self, place: Path, cut: Cut) -> None:
        """Write to *place* what the cut leaves."""
        draw = random.Random(cut.seed)
        names = dict(self._durable)
        kept = (
            len(self._names)
            if cut.everything
            else 0
            if cut.seed is None
            else draw.randint(0, len(self._names))
        )
        for operation, made in self._names[:kept]:
            _name(names, operation, made)
        place.mkdir(parents=True)
        for path, file in sorted(names.items()):
            if _lost(path, names):
                continue
            if file is None:
                (place / path).mkdir(exist_ok=True)  # the state directory itself may be among them
                continue
            content = bytearray(file.durable)
            chosen = list(file.pending) if cut.everything else []
            if cut.seed is not None and not cut.everything:
                chosen = [one for one in file.pending if draw.random() < 0.5]  # even odds
                if chosen and chosen[-1].kind is Kind.WRITE:
                    last = chosen[-1]
                    whole = draw.randrange(0, len(last.data) + 1, _SECTOR)
                    chosen[-1] = Operation(last.kind, last.at_s, last.path, last.offset, last.data[:whole])
            for operation in chosen:
                _apply(content, operation)
            (place / path).write_bytes(content)


def _apply(content: bytearray, operation: Operation) -> None:
    end = operation.offset + len(operation.data)
    if operation.kind is Kind.TRUNCATE:
        del content[operation.offset :]
        end = operation.offset
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[operation.offset : end] = operation.data


def _name(names: dict[str, _Inode | None], operation: Operation, made: _Inode) -> None:
    match operation.kind:
        case Kind.CREATE:
            names[operation.path] = made
        case Kind.MKDIR:
            names[operation.path] = None
        case Kind.UNLINK:
            names.pop(operation.path, None)
        case Kind.RENAME if operation.path in names:
            old, fresh = operation.path, operation.data.decode()
            for path in [one for one in names if one == old or one.startswith(f"{old}/")]:
                names[fresh + path.removeprefix(old)] = names.pop(path)


def _changed(operation: Operation) -> tuple[str, ...]:
    """The directories whose sync makes it durable: of a rename, either."""
    paths = (operation.path, operation.data.decode()) if operation.kind is Kind.RENAME else (operation.path,)
    return tuple(map(_parent, paths))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _lost(path: str, names: Container[str]) -> bool:
    """Whether a directory on the way to *path* is not there."""
    parent = _parent(path)
    return bool(parent) and (parent not in names or _lost(parent, names))


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything a daemon wrote in its life, and what it promised meanwhile."""

    operations: tuple[Operation, ...]
    promises: tuple[Promise, ...]

    def cuts(self, most: int | None = None, seed: int = 0) -> list[Cut]:
        """Before and after each sync, with nothing, all and some of the rest; *most* of them, spread evenly."""
        syncs = [n for n, one in enumerate(self.operations) if one.kind is Kind.SYNC]
        places = sorted({place for n in syncs for place in (n, n + 1)} | {len(self.operations)})
        found = [
            cut
            for place in places
            for cut in (
                Cut(place),
                Cut(place, everything=True),
                Cut(place, seed + 2 * place),
                Cut(place, seed + 2 * place + 1),
            )
        ]
        return found if most is None else found[:: max(1, len(found) // most)]


def record(zygote: Zygote, home: Path) -> Recording:
    """A device without a link lives several stories on end; its events stay in the queue."""
    log, promises = home / "writes.log", list[Promise]()
    stage = Stage(home, zygote)
    device = stage.device
    try:
        shutil.rmtree(device.folder)
        device.start(Arm(str(device.state), log=str(log)))
        for story in STORIES:
            if story.name == "missing-image":
                continue
            number = stage.say(story.wish)
            promises.append(Promise(time.monotonic(), "delivery", number))
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                promises += _told(stage)
                device.ended(0.02)
        device.stop()
    finally:
        device.close()
    return Recording(tuple(operations(log)), tuple(promises))


def _told(stage: Stage) -> Iterator[Promise]:
    lines = stage.device.client.get("/v1/events?limit=256").splitlines()
    status = stage.device.status()
    now = time.monotonic()
    for line in lines:
        yield Promise(now, "event", json.loads(line)["id"])
    if status is not None and status["lastDesiredVersion"]:
        yield Promise(now, "floor", max(status["version"] or 0, status["candidate"] or 0))


def replay(
    recording: Recording, cuts: Sequence[Cut], *, broken: Callable[[Cut, str], None] = lambda _, __: None
) -> int:
    """Judge every cut; *broken* hears of each promise that one breaks. Returns how many were broken."""
    failures = 0
    disk, done = Disk(), 0
    for cut in sorted(cuts, key=lambda one: one.number):
        for operation in recording.operations[done : cut.number]:
            disk.take(operation)
        done = max(done, cut.number)
        at_s = recording.operations[cut.number - 1].at_s if cut.number else 0.0
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            place = Path(folder, "state")
            disk.leave(place, cut)
            for fault in _faults(place, [one for one in recording.promises if one.at_s <= at_s]):
                failures += 1
                broken(cut, fault)
    return failures


def _faults(place: Path, promises: Sequence[Promise]) -> Iterator[str]:
    """What of *promises* the directory does not keep."""
    store, lost_state = SqliteStore.open(place / "state.db")
    outbox = SqliteOutbox(place / "queue.db")
    try:
        if promises and (lost_state or outbox.lost):
            yield f"damaged: {lost_state or outbox.lost}"
        waiting = {one.id for one in store.deliveries()}
        events = {json.loads(one.body)["id"] for one in outbox.head(10_000) if one.topic.startswith("event/")}
        if dropped := outbox.figures().dropped:
            yield f"{dropped} messages were dropped"
        kept = FloorFiles(place / "trust").read()
        floor = max(store.ledger().floor, kept.version if kept else 0)
        if kept is not None and kept.version > store.ledger().floor:
            yield f"the floor's files say {kept.version}, the ledger {store.ledger().floor}"
        for promise in promises:
            match promise.what:
                case "delivery":
                    there = promise.value in waiting or store.decision(int(promise.value)) is not None
                case "event":
                    there = promise.value in events
                case _:
                    there = floor >= int(promise.value)
            if not there:
                yield f"{promise.what} {promise.value} was promised and is not there"
                return
    finally:
        store.close()
        outbox.close()
