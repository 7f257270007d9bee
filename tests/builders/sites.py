"""A device with a trust root and its state on a disk: what arrives, what is lost, what is started again."""

from __future__ import annotations

from pathlib import Path

from edgetender.model.examined import Identity
from edgetender.store.state import SqliteStore
from edgetender.trust.device import DeviceTrust
from tests.builders.loops import Loop
from tests.builders.manifests import SCORER, manifest, module
from tests.builders.signing import Keys, deployment, signed, signed_root
from tests.fakes.world import World

KEYS = Keys()
STATE = ("state.db", "state.db-wal", "state.db-shm")


class Site:
    """A device with a trust root, its state on a disk."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "root.json").write_bytes(signed_root(KEYS))
        self.loop = Loop(store=SqliteStore(home / "state.db"), trust=self.trust())
        self.loop.puller.registry |= {SCORER}

    def trust(self) -> DeviceTrust:
        return DeviceTrust(self.home, Identity("cam7"), required=True, state=self.home / "trust")

    def send(self, version: int, *, by: str = "manifest-1", epoch: int = 1, **more: str) -> tuple[int, str]:
        document = manifest(version, scorer=module(env=more))
        return self.bring(signed(KEYS, deployment(document, epoch=epoch), by=[by]))

    def bring(self, body: bytes) -> tuple[int, str]:
        """What came of *body*: the code, and why."""
        self.loop.push(body)
        self.loop.run(20)
        desired = self.loop.last.ledger.desired
        assert desired is not None
        return desired.code, desired.problems[0][1] if desired.problems else ""

    def lose(self, *names: str) -> None:
        """State and containers go, the agent starts again."""
        self.loop.store.close()
        for name in names:
            (self.home / name).unlink(missing_ok=True)
        self.loop.engine.world = self.loop.world = World(images={SCORER})
        self.loop.store = SqliteStore(self.home / "state.db")
        self.loop.trust = self.trust()
        self.loop.boot()
