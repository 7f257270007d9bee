"""Would the tests notice? The agent with one safeguard taken out, each by name, for them to catch."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.faults.device import REPOSITORY


@dataclass(frozen=True, slots=True)
class Mutant:
    """In *file* of the agent's sources, *old* becomes *new*; and then what *also* says."""

    file: str
    old: str
    new: str
    also: tuple[str, str] = ("", "")

    def made(self, place: Path) -> Path:
        """The sources of the mutant, below *place*; a path to import from."""
        shutil.copytree(
            REPOSITORY / "agent/edgetender",
            place / "edgetender",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        path = place / "edgetender" / self.file
        source = path.read_text()
        for old, new in filter(any, ((self.old, self.new), self.also)):
            assert source.count(old) == 1, f"{self.file} no longer holds {old!r}: write the mutant anew"
            source = source.replace(old, new)
        path.write_text(source)
        return place


_LATE = """\
    def deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:
        import threading

        with self._database.reading() as connection:
            (number,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM deliveries").fetchone()
        threading.Timer(0.2, self._deliver, (kind, source, body, now)).start()
        return number

    def _deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:
"""

MUTANTS = {
    "no-sync": Mutant("store/schema.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF"),
    "acknowledged-early": Mutant(
        "store/state.py",
        "    def deliver(self, kind: str, source: str, body: bytes, now: datetime) -> int:\n",
        _LATE,
    ),
    "intent-after-effect": Mutant(
        "reconciler.py",
        "intend(ledger, stride, target, observed))",
        "ledger)",
    ),
    "floor-before-ledger": Mutant(
        "memory.py",
        "        try:\n            self._store.commit(ledger,",
        "        self._keep_floor(ledger)\n        try:\n            self._store.commit(ledger,",
    ),
    "waits-by-the-wall": Mutant(
        "decide/clock_set.py",
        "return ledger if abs(by) < SLEW else replace(_moved(ledger, by), ticking=ticking)",
        "return ledger",
    ),
    "refused-for-want": Mutant("trust/owned.py", "        unless_exhausted(error, path)\n", ""),
    "decided-for-want": Mutant("memory.py", "except (Exhausted, MemoryError):", "except Exhausted:"),
    "no-label-check": Mutant(
        "engine/docker_engine.py",
        """listed = client.containers(all=True, filters={"label": f"{DEVICE}={self._device}"})
            modules = [""",
        """listed = client.containers(all=True)
            modules = [""",
        also=(
            (
                'found is None or (found["Config"].get("Labels") or {}).get(DEVICE) != self._device:\n'
                '            raise NotFound(f"cannot find container'
            ),
            'found is None:\n            raise NotFound(f"cannot find container',
        ),
    ),
}
