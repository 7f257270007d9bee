"""What is a workspace without a cloud? A directory: models, environments, images, logins, layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from edgetender.packaging.bases import Bases
from edgetender.packaging.docker_logins import docker_folder
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.image_store import ImageStore
from edgetender.packaging.layer_store import LayerStore, default_store
from edgetender.packaging.logins import Logins
from edgetender.packaging.model_store import ModelStore
from edgetender.packaging.named_environment import EnvironmentStore
from edgetender.packaging.store_use import shared


class Workspace:
    """Everything below *root* (EDGETENDER_STORE's directory, else the user's); made on first use.

    *base*: what images stand on where a configuration names none (EDGETENDER_BASE). *engine*: a container
    engine's address (DOCKER_HOST). *server_source*: the scoring server's project, if not the installed one.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        base: str | None = None,
        platform: str = "linux/amd64",
        engine: str | None = None,
        server_source: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.root = Path(root) if root is not None else default_store()
        self.base = base or os.environ.get("EDGETENDER_BASE")
        self.platform, self.server_source, self.now = platform, server_source, now
        self.models = ModelStore(self.root / "models")
        self.environments = EnvironmentStore(self.root / "environments")
        self.images = ImageStore(self.root / "images")
        self.logins = Logins(self.root / "registries.json", docker_folder())
        self.logs = self.root / "logs"
        self._engine = engine

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Workspace:
        """The workspace of the environment's variables, or the one at *path*."""
        return cls(path)

    @property
    def name(self) -> str:
        return self.root.name

    def engine(self) -> Engine:
        return Engine(self._engine)

    def used(self) -> AbstractContextManager[None]:
        """While entered, nothing is removed from the store."""
        return shared(self.root)

    def layers(self) -> LayerStore:
        return LayerStore(self.root)

    def bases(self, say: Callable[[str], None]) -> Bases:
        pulled = ImageStore(self.root / "bases")
        return Bases(self.images, pulled, self.layers().blobs, self.logins, say)

    def timestamp(self, repository: str) -> str:
        """A tag that is the time (UTC, to the second), and not taken: the next second's if need be."""
        stamp = int(f"{self.now():%Y%m%d%H%M%S}")
        self.logs.mkdir(parents=True, exist_ok=True)
        while self.images.place(f"{repository}:{stamp}").exists() or not self._taken(f"{repository}:{stamp}"):
            stamp += 1
        return str(stamp)

    def log_of(self, reference: str) -> Path:
        """Where the log of making *reference* is kept."""
        return self.logs / f"{quote(reference, safe='').replace('%3A', '-')}.log"

    def _taken(self, reference: str) -> bool:
        """Take the reference by its log; False when another package of this moment has it."""
        try:
            self.log_of(reference).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
