"""Did the device keep its promises? One judge of I1-I10 for every fault; it knows what was asked, not how."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from edgetender.engine.labels import MODULE
from edgetender.store.outbox import SqliteOutbox
from edgetender.store.state import SqliteStore
from edgetender.trust.floor import FloorFiles
from tests.faults.device import CANARY, DEVICE, PATIENCE, Device
from tests.faults.docker_api import ScriptedEngine

START_S = 10.0 * PATIENCE  # a busy machine's; half a second is usual


class Oracle:
    """*violations* are sentences that begin with the invariant they break.

    Of an engine it is told each change as it happens; of the disk it takes a look whenever the daemon is dead.
    """

    def __init__(self, device: Device, known: set[str], foreign: set[str]) -> None:
        """*known* are the images that manifests may bring, *foreign* the containers and images of others."""
        self._device, self._engine, self._known, self._foreign = device, device.engine, known, foreign
        self._floor = 0
        self._judged = 0
        self.acknowledged: list[int] = []
        self.refused: list[int] = []  # of those, with the reason that the engine could not be asked
        self.slowest_answer_s = 0.0
        self.violations: list[str] = []
        self._engine.changed = self.watch

    def watch(self) -> None:
        """After each change of the engine (I2, I6, I8)."""
        change = self._engine.history[-1]
        up = [one["Config"]["Labels"].get(MODULE) for one in self._engine.running(DEVICE)]
        if len(up) != len(set(up)):
            self._say(f"I2: two containers of one module run: {sorted(map(str, up))}")
        if change.verb == "create" and change.device == DEVICE:
            image = self._engine.world.containers[change.what]["Config"]["Image"]
            if image not in self._known:
                self._say(f"I6: a container of {image}, which nobody asked for")
        if change.what in self._foreign or (change.verb not in ("pull", "untag") and change.device != DEVICE):
            self._say(f"I8: {change.verb} of a stranger's {change.what}")

    def answered(self, status: dict[str, Any] | None, took_s: float, since_start_s: float) -> None:
        """After each question for the status (I9)."""
        if status is not None:
            self.slowest_answer_s = max(self.slowest_answer_s, took_s)
        elif since_start_s > START_S:
            self._say(f"I9: no status {since_start_s:.1f} s after the start")

    def look_at_disk(self) -> None:
        """Of a daemon that is dead: what it left can be read, and its floor is no lower than before (I4)."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "state")
            if not (self._device.state / "state.db").exists():
                return
            shutil.copytree(self._device.state, copy, ignore=shutil.ignore_patterns("reserve"))
            store, lost = SqliteStore.open(copy / "state.db")
            if lost is not None:
                self._say(f"I3: a kill cost the state: {lost}")
            floor = store.ledger().floor
            store.close()
            kept = FloorFiles(copy / "trust").read()
            if kept is not None and kept.version > floor:
                self._say(f"I4: the floor's files say {kept.version}, ahead of the ledger's {floor}")
            if floor < self._floor:
                self._say(f"I4: the floor fell from {self._floor} to {floor}")
            self._floor = max(floor, self._floor)

    def judge(self, wanted: dict[str, str]) -> None:
        """Of a device at rest whose daemon was stopped: *wanted* is what runs, image by module (I1, I3, I5, I7, I10)."""
        found = {
            one["Config"]["Labels"][MODULE]: one["Config"]["Image"] for one in self._engine.running(DEVICE)
        }
        if found != wanted:
            self._say(f"I1: {found} runs instead of {wanted}")
        ours = [
            one for one in self._engine.world.containers.values() if one["Config"]["Labels"].get(MODULE) is not None
            and one["Id"] not in self._foreign
        ]  # fmt: skip
        if len(ours) != len(wanted):
            self._say(f"I1: {len(ours)} containers are left of {len(wanted)} modules")
        self.look_at_disk()
        store, _ = SqliteStore.open(self._device.state / "state.db")
        decided = {number: store.decision(number) for number in self.acknowledged}
        self.refused = [n for n, one in decided.items() if one is not None and is_refusal(one.description)]
        lost = [number for number, one in decided.items() if one is None]
        if lost or store.deliveries():
            self._say(f"I3: what was acknowledged was never decided: {lost} {store.deliveries()}")
        store.close()
        self._judge_messages()
        self._judge_secrets()

    def _judge_messages(self) -> None:
        """Events are numbered without gaps in each run of the daemon: one that is missing was lost (I3, I10)."""
        delivered = [json.loads(line) for line in _lines(self._device.folder / "outbox" / "messages.jsonl")]
        outbox = SqliteOutbox(self._device.state / "queue.db")
        figures, lost = outbox.figures(), outbox.lost
        queued = [json.loads(one.body) for one in outbox.head(10_000) if not one.retain]
        outbox.close()
        if lost is not None:
            self._say(f"I3: a kill cost the queue: {lost}")
        if figures.accepted != figures.delivered + figures.queued + figures.dropped:
            self._say(f"I10: {figures}")
        if figures.dropped:
            self._say(f"I10: {figures.dropped} messages were dropped with nothing in the way")
        numbers: dict[str, set[int]] = {}
        for body in [*(one["body"] for one in delivered), *queued]:
            if isinstance(body, dict) and "id" in body and "type" in body:
                run, _, number = body["id"].partition("-")
                numbers.setdefault(run, set()).add(int(number))
        for run, seen in numbers.items():
            if missing := set(range(1, max(seen) + 1)) - seen:
                self._say(f"I3: events {sorted(missing)} of run {run} are neither delivered nor queued")

    def _judge_secrets(self) -> None:
        for path in [self._device.log, *self._device.state.rglob("*"), *self._device.folder.rglob("*")]:
            if path.is_file() and CANARY.encode() in path.read_bytes():
                self._say(f"I7: the secret stands in {path.name}")

    def _say(self, violation: str) -> None:
        if violation not in self.violations:
            self.violations.append(violation)


def is_refusal(description: str) -> bool:
    """Whether a restart was refused because nobody knew what runs: whoever asked was told so."""
    return "no container of that module; " in description


def count(engine: ScriptedEngine, verb: str, module: str) -> int:
    return sum(1 for change in engine.history if (change.verb, change.module) == (verb, module))


def timed(device: Device) -> tuple[dict[str, Any] | None, float]:
    """The status, and how long its answer took."""
    began = time.monotonic()
    return device.status(), time.monotonic() - began


def _lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines() if line] if path.exists() else []
