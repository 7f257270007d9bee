"""What a scripted engine holds, and each change of it, between what a test has planned before and after it."""

from __future__ import annotations

import hashlib
import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from edgetender.engine.labels import DEVICE, MODULE

DOCKER = "application/vnd.docker"


class Cut(BaseException):
    """Raised by what a test has planned: the request ends here, nobody is answered."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to the engine. *device* is the label of whom it belongs to, empty for a stranger."""

    verb: str
    device: str
    module: str
    what: str  # the container, or the image


@dataclass
class World:
    """What the engine holds; it outlives the daemon, and is copied to begin a life anew."""

    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    made: int = 0


class Held:
    """The engine without its sockets. *port* is where its registry is, and its containers answer."""

    def __init__(self) -> None:
        self.port = 0
        self.world = World()
        self.history: list[Change] = []
        self.at: dict[tuple[int, str], Callable[[], None]] = {}  # (number of the change, before | after)
        self.slow_s = 0.0
        self.silent = threading.Event()  # set: requests are taken and not answered
        self.ended = threading.Event()
        self.changed: Callable[[], None] = lambda: None  # called after each change, under the lock
        self.lock = threading.RLock()
        self.listeners: set[queue.SimpleQueue[bytes | None]] = set()
        self.images: dict[str, bytes] = {}  # the registry's documents, by path

    def publish(self, name: str) -> str:
        """An image in the registry; its reference by digest."""
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "config": {"Labels": {"n": name}}}
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": f"{DOCKER}.distribution.manifest.v2+json",
                "config": {
                    "mediaType": f"{DOCKER}.container.image.v1+json",
                    "size": len(config),
                    "digest": digest(config),
                },
                "layers": [],
            }
        ).encode()
        self.images[f"/v2/{name}/blobs/{digest(config)}"] = config
        self.images[f"/v2/{name}/manifests/{digest(manifest)}"] = manifest
        return f"localhost:{self.port}/{name}@{digest(manifest)}"

    def change(
        self, verb: str, container: dict[str, Any] | None, what: str, effect: Callable[[], Any]
    ) -> Any:
        """Carry *effect* out as one change, between what the test has planned before and after it."""
        with self.lock:
            number = len(self.history) + 1
            self.at.pop((number, "before"), lambda: None)()
            result = effect()
            marks = (container or {}).get("Config", {}).get("Labels") or {}
            self.history.append(Change(verb, marks.get(DEVICE, ""), marks.get(MODULE, ""), what))
            self.changed()
            self.at.pop((number, "after"), lambda: None)()
            event = json.dumps({"Type": "container", "Action": verb, "id": what}).encode() + b"\n"
            for listener in self.listeners:
                listener.put(event)
            return result

    def running(self, device: str) -> list[dict[str, Any]]:
        with self.lock:
            return [
                one
                for one in self.world.containers.values()
                if one["State"]["Status"] == "running" and one["Config"]["Labels"].get(DEVICE) == device
            ]

    def listen(self) -> queue.SimpleQueue[bytes | None]:
        listener: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self.lock:
            self.listeners.add(listener)
        return listener

    def leave(self, listener: queue.SimpleQueue[bytes | None]) -> None:
        with self.lock:
            self.listeners.discard(listener)


def digest(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()
