"""A daemon as systemd starts it, on a real engine and a real registry: what the sweeps' device is without them."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from demo.parts.process import Part
from demo.parts.registry import Registry
from demo.parts.waiting import TimedOut, until
from edgetender.api.client import Answered, Client, Unreachable
from edgetender.engine.labels import DEVICE, MODULE

NAME = "line3-cam7"


@dataclass
class RealDevice:
    """*home* is short; *images* are references by digest, in *registry*."""

    home: Path
    socket: str
    registry: Registry
    images: dict[str, str]

    def __post_init__(self) -> None:
        self.state = self.home / "state"
        (self.home / "folder").mkdir(exist_ok=True)
        (self.home / "empty").mkdir(exist_ok=True)
        credentials = self.home / "credentials"
        credentials.mkdir(mode=0o700, exist_ok=True)
        secret = credentials / "registry"
        secret.touch(0o600)
        ((user, password),) = self.registry.users.items()
        secret.write_text(json.dumps({"username": user, "password": password}))
        self.config = self.home / "config.toml"
        self.config.write_text(self.settings(self.state, self.home / "a.sock"))
        self.client = Client(f"unix://{self.home}/a.sock")
        self.part = self.daemon("daemon", self.config)
        self.api = docker.APIClient(base_url=self.socket, timeout=60)

    def daemon(self, name: str, config: Path) -> Part:
        code = "from edgetender.cli import main; main()"
        return Part(name, [sys.executable, "-c", code, "daemon", "--config", config], self.home)

    def settings(self, state: Path, api: Path) -> str:
        return f"""\
device = "{NAME}"
state_dir = "{state}"
[engine]
socket = "{self.socket}"
interval_s = 2
[transport]
kind = "folder"
path = "{self.home}/folder"
[registries."{self.registry.host}"]
ca = "{self.registry.ca}"
[credentials]
directory = "{self.home}/credentials"
[trust]
mode = "open"
directory = "{self.home}/trust"
policy = "{self.home}/policy.toml"
[api]
socket = "{api}"
listen = ""
group = ""
[hardware]
root = "{self.home}/empty"
[pull]
stall_timeout_s = 10
"""

    def start(self) -> None:
        self.part.start()

    def close(self) -> None:
        self.part.stop(grace_s=20)
        with contextlib.suppress(Exception):
            for one in self.api.containers(all=True, filters={"label": f"{DEVICE}={NAME}"}):
                self.api.remove_container(one["Id"], force=True, v=True)
        self.api.close()

    def status(self) -> dict[str, Any] | None:
        with contextlib.suppress(Unreachable, Answered, ValueError):
            found: dict[str, Any] = self.client.status()
            return found
        return None

    def reported(self) -> dict[str, Any]:
        """What is told upstream."""
        found: dict[str, Any] = json.loads((self.home / "folder/outbox/reported.json").read_text())
        return found

    def apply(self, version: int, image: str, **health: Any) -> None:
        """Deliver a manifest of one module, as often as it takes."""
        document = {
            "schema": "edgetender/v1",
            "deployment": "line3",
            "version": version,
            "modules": {
                "scorer": {
                    "image": self.images[image],
                    "env": {"VERSION": str(version)},
                    "health": {"http": {"path": "/"}, "interval": 1, "deadline": 10} | health,
                    "stop_grace": 1,
                }
            },
            "registries": {self.registry.host: {"credential": "registry"}},
            "update": {"settle": 0.5},
        }
        body = json.dumps(document).encode()

        def taken() -> bool:
            with contextlib.suppress(Unreachable, Answered, ValueError):
                self.client.post("/v1/apply", body)
                return True
            if not self.part.runs:
                self.start()
            return False

        until(taken, "the acknowledgement", every_s=0.05)

    def containers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": f"{DEVICE}={NAME}"})
        return found

    def serves(self, version: int) -> bool:
        """Exactly one container, of this version, and it is ready."""
        status = self.status()
        if status is None or status["candidate"] is not None or status["version"] != version:
            return False
        if not status["modules"]:  # nothing was looked at yet
            return False
        there = [(one["Labels"][MODULE], one["State"]) for one in self.containers()]
        return there == [("scorer", "running")] and all(one["ready"] for one in status["modules"])

    def rest(self, version: int, what: str) -> None:
        """Return when *version* serves; the daemon is started again where it ended."""

        def there() -> bool:
            if not self.part.runs:
                self.start()
            return self.serves(version)

        until(there, what, every_s=0.1)

    def ever(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether it holds again and again for so long."""
        with contextlib.suppress(TimedOut):
            until(lambda: not holds(), "that it holds no more", within_s=seconds, every_s=0.1)
            return False
        return True


@contextlib.contextmanager
def real_device(socket: str, registry: Registry, images: dict[str, str]) -> Iterator[RealDevice]:
    with tempfile.TemporaryDirectory(prefix="et-") as folder:
        device = RealDevice(Path(folder), socket, registry, images)
        try:
            yield device
        finally:
            device.close()


def pushed(socket: str, registry: Registry, local: str, name: str) -> str:
    """The local image in the registry under *name*; its reference by digest. It stays in the engine."""
    ((user, password),) = registry.users.items()
    where = f"{registry.host}/team/{name}"
    with contextlib.closing(docker.APIClient(base_url=socket, timeout=60)) as asked:
        asked.tag(local, where, tag="1")
        said = list(
            asked.push(
                where, tag="1", stream=True, decode=True, auth_config={"username": user, "password": password}
            )
        )
        (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
        asked.remove_image(f"{where}:1")
    return f"{where}@{digest}"
