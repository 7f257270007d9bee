"""The demo's device: its configuration, its daemon, and edgetender's commands as an operator types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.clean import DEVICE
from demo.narrator import StoryFailed
from demo.parts.process import Part, free_port, listens

if TYPE_CHECKING:
    from demo.parts.registry import Registry
    from demo.upstream import Upstream

EDGETENDER = Path(sys.executable).with_name("edgetender")
CREDENTIAL = "demo-registry"
INTERVAL_S = 2  # telemetry; a device in the field takes 60


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        try:
            return json.loads(self.out)
        except ValueError:
            raise StoryFailed(f"no JSON came back, but: {self.out[:500]!r} {self.err[:500]!r}") from None


class Device:
    """One daemon with its state below *home*, linked to *upstream*, its containers in *engine*."""

    def __init__(
        self,
        home: Path,
        *,
        engine: str,
        upstream: Upstream,
        registries: list[str],
        front: Path | None = None,
    ) -> None:
        self.home = home
        self.engine = engine
        self.api_socket = _short(home) / "api.sock"
        self.page_port = free_port() if listens(8787) else 8787  # another agent may have it
        self.config = home / "config.toml"
        self._upstream = upstream
        self._registries = registries
        self._front = front
        command: list[str | Path] = [EDGETENDER, "daemon", "--config", self.config]
        self.part = Part("edgetender", command, home, upstream.environment)

    def configure(self, registry: Registry) -> None:
        """Write the configuration and the named credential, 0600, as an installer would."""
        credentials = self.home / "credentials"
        credentials.mkdir(parents=True, exist_ok=True, mode=0o700)
        ((user, password),) = registry.users.items()
        secret = credentials / CREDENTIAL
        secret.touch(mode=0o600)
        secret.write_text(json.dumps({"username": user, "password": password}))
        self.config.write_text(self._settings(registry.ca, self._upstream.transport(credentials)))

    def trust(self, root: Path) -> None:
        """`edgetender init`: from now on only what the keys of *root* signed runs here."""
        said = self.cli("init", "--root", root)
        if said.code != 0:
            raise StoryFailed(f"`edgetender init` failed:\n{said.all}")

    def log_in(self, host: str, registry: Registry, store: Path) -> None:
        """`edgetender registry login`, as an author does it once: signing asks the registry what a tag means."""
        ((user, password),) = registry.users.items()
        words: list[str | Path] = ["--username", user, "--ca", registry.ca, "--store", store]
        secret = {"EDGETENDER_REGISTRY_PASSWORD": password}
        said = self.cli("registry", "login", "--name", host, *words, env=secret)
        if said.code != 0:
            raise StoryFailed(f"`edgetender registry login --name {host}` failed:\n{said.all}")

    def start(self) -> float:
        """Return how many seconds it took until the daemon answered."""
        began = time.monotonic()
        self.part.start()
        self.part.wait_until_ready(lambda: self.cli("status").code not in {3, 5})
        return time.monotonic() - began

    def stop(self) -> float:
        """SIGTERM; return how many seconds the end took."""
        began = time.monotonic()
        self.part.stop(grace_s=20)
        return time.monotonic() - began

    def kill(self) -> None:
        self.part.kill()

    def cli(self, *words: str | Path, env: dict[str, str] | None = None, within_s: float = 120) -> Said:
        """Run `edgetender …` against this device."""
        done = subprocess.run(
            [str(word) for word in (EDGETENDER, *words)],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            env=os.environ | {"EDGETENDER_CONFIG": str(self.config)} | (env or {}),
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def status(self) -> Any:
        return self.cli("status", "-o", "json").json()

    def _settings(self, registry_ca: Path, transport: str) -> str:
        """The smallest configuration that does the job; every other key has its default."""
        registries = "".join(f'\n[registries."{host}"]\nca = "{registry_ca}"\n' for host in self._registries)
        front = f'\n[front]\narchive = "{self._front}"\n' if self._front else ""
        return f"""\
device = "{DEVICE}"
state_dir = "{self.home / "state"}"

[engine]
socket = "{self.engine}"

[transport]
{transport}
[telemetry]
interval_s = {INTERVAL_S}
report = "all"

[trust]
mode = "signed"
directory = "{self.home / "trust"}"

[credentials]
directory = "{self.home / "credentials"}"

[api]
socket = "{self.api_socket}"
listen = "127.0.0.1:{self.page_port}"
{front}{registries}"""


def _short(home: Path) -> Path:
    """Where a unix socket's path stays below 108 bytes."""
    if len(str(home)) < 80:
        return home
    import hashlib

    short = Path(f"/run/et-{hashlib.sha256(str(home).encode()).hexdigest()[:8]}")
    short.mkdir(mode=0o700, exist_ok=True)
    return short
