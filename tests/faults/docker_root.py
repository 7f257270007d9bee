"""What does a power cut leave of the engine's images? A real engine on a disk that forgets what was not synced.

After each cut the disk is mounted anew, the engine started, and the agent's engine asked what may be used.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker

from demo.parts.dockerd import Dockerd, client
from demo.parts.identities import Authority
from demo.parts.process import free_port
from demo.parts.registry import Registry
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.proven import ProvenEngine
from edgetender.engine.whole import DockerImages
from edgetender.errors import AgentError
from edgetender.model.image import Credential, ImageReference, parse_reference
from edgetender.secret import Secret
from edgetender.store.marks import BootMarks
from tests.faults.forgetful_disk import Disk
from tests.services import probe_image
from tests.services.engine import CACHE, why_no_engine

REPAIRED_S = 60.0
USER = "line3"


def why_not() -> str | None:
    """The reason why no such disk can be made here; None if it can."""
    for program, package in (("docker-registry", "docker-registry"), ("mkfs.ext4", "e2fsprogs")):
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"{program} is not installed: apt-get install {package}"
    return why_no_engine()


@dataclass
class Machine:
    """An engine on such a disk, and what the agent knows of its boots; `boot` after each cut."""

    home: Path
    boots: int = 0
    _engines: list[DockerEngine | DockerImages] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = Dockerd(self.home / "machine")
        self.disk = Disk(self.home / "disk.img", self.engine.home / "data")

    def boot(self) -> ProvenEngine:
        self.disk.mount()
        self.engine.start()
        self.boots += 1
        self.raw = DockerEngine(self.engine.socket, "power")
        self.images = DockerImages(self.engine.socket)
        self._engines += [self.raw, self.images]
        self.marks = BootMarks(self.home / "boot.json", self.boots)
        return ProvenEngine(self.raw, self.images, self.marks, lambda: None)

    def cut(self) -> None:
        """The power goes."""
        self.disk.cut()
        self.off()

    def off(self) -> None:
        self.engine.kill()
        self.engine.stop()  # and whatever of it is left
        for one in self._engines:
            one.close()
        self._engines.clear()
        self.disk.unmount()

    def remove(self) -> None:
        with contextlib.suppress(Exception):
            self.off()
        self.engine.remove()


@contextlib.contextmanager
def machine() -> Iterator[tuple[Machine, ImageReference, Credential]]:
    """A machine that is off, and an image of 20 MB in a registry."""
    with tempfile.TemporaryDirectory(prefix="et-") as folder:
        home = Path(folder)
        made = Machine(home)
        registry = Registry(
            home / "registry",
            Authority(home / "keys"),
            port=free_port(),
            users={USER: "correct horse battery"},
        )
        try:
            registry.start()
            made.boot()
            reference = _pushed(made, registry)
            made.off()
            yield made, reference, Credential(USER, Secret(registry.users[USER]))
        finally:
            made.remove()
            registry.stop()


def _pushed(made: Machine, registry: Registry) -> ImageReference:
    """In the registry, and no longer in the engine."""
    draw = random.Random(1)
    files = {f"data/{number:02}": draw.randbytes(512 * 1024) for number in range(40)}
    local = probe_image.build(made.engine.socket, CACHE, extra=files)
    name = f"{registry.host}/team/probe"
    with contextlib.closing(docker.APIClient(base_url=made.engine.socket, timeout=60)) as asked:
        asked.tag(local, name, tag="1")
        login = {"username": USER, "password": registry.users[USER]}
        said = list(asked.push(name, tag="1", stream=True, decode=True, auth_config=login))
        (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
        asked.remove_image(f"{name}:1")
        asked.remove_image(local, force=True)
        asked.prune_images()
    os.sync()
    return parse_reference(f"{name}@{digest}")


def answers(socket: str, image: str) -> bool:
    """Whether a container of it starts, and finds all its files."""
    looks = "[ -s /data/00 ] && [ -s /data/39 ] && cat /data/* > /dev/null && echo all"
    with client(socket) as engine:
        try:
            said = engine.containers.run(image, entrypoint=["/bin/sh", "-c", looks], network_mode="none")
        except (docker.errors.ContainerError, docker.errors.APIError):
            said = b""
        for container in engine.api.containers(all=True):  # not inspected: of a hollow image that fails
            engine.api.remove_container(container["Id"], force=True)
    return bool(said == b"all\n")


@dataclass(frozen=True, slots=True)
class Outcome:
    """*listed*: the engine called the image its own after the cut; *hollow*: what of it was missing, if anything.

    *shown*: the agent would have used it, before it was proven or after; *repaired_s*: until a container of it
    found all its files, -1 if none did.
    """

    point: str
    listed: bool
    hollow: str | None
    shown: tuple[bool, bool]
    repaired_s: float
    trouble: str = ""

    @property
    def violation(self) -> str | None:
        if self.hollow is not None and any(self.shown):
            return "a hollow image would have been started"
        if self.hollow is not None and self.point == "over":
            return "an image is hollow although its pull was over"
        return None if 0 <= self.repaired_s <= REPAIRED_S else f"it does not serve: {self.trouble}"

    def __str__(self) -> str:
        state = self.hollow or ("whole" if self.listed else "not listed")
        return f"cut {self.point}: {state}, serves after {self.repaired_s:.1f} s"


class Cuts:
    """Cuts of one machine, one after the other."""

    def __init__(self, made: Machine, reference: ImageReference, credential: Credential) -> None:
        self._made, self._reference, self._credential = made, reference, credential
        self._name = str(reference)

    def by_hand(self) -> Outcome:
        """The engine pulls as for `docker pull`, without a sync; the power goes a moment later."""
        self._begin()
        self._made.raw.pull(self._reference, self._credential, lambda _: True)
        self._made.disk.commit()
        return self._end("by hand")

    def over(self) -> Outcome:
        """The agent's pull is over, and the power goes."""
        engine = self._begin()
        engine.pull(self._reference, self._credential, lambda _: True)
        self._made.disk.commit()
        return self._end("over")

    def within(self, after_s: float) -> Outcome:
        """The power goes *after_s* into the agent's pull, or into what follows."""
        engine = self._begin()

        def pull() -> None:
            with contextlib.suppress(AgentError):
                engine.pull(self._reference, self._credential, lambda _: True)

        thread = threading.Thread(target=pull)
        thread.start()
        thread.join(after_s)
        outcome = self._end(f"{after_s:.2f} s")
        thread.join()
        return outcome

    def _begin(self) -> ProvenEngine:
        engine = self._made.boot()
        if self._name in self._made.raw.images():
            self._made.raw.remove_image(self._name)
            os.sync()
        engine.images()
        return engine

    def _end(self, point: str) -> Outcome:
        """Cut, boot, look, prove, and have it used."""
        made = self._made
        made.cut()
        engine = made.boot()
        began = time.monotonic()
        listed = self._name in made.raw.images()
        hollow = made.images.flaw(self._name) if listed else None
        before = self._name in engine.images()
        engine.prove(lambda: [self._name], threading.Event())
        after = self._name in engine.images()
        repaired_s, trouble = -1.0, ""
        try:
            if not after:
                engine.pull(self._reference, self._credential, lambda _: True)
            if answers(made.engine.socket, self._name):
                repaired_s = time.monotonic() - began
        except AgentError as error:
            trouble = str(error)
        made.off()
        return Outcome(point, listed, hollow, (before, after), repaired_s, trouble)


def sweep(count: int, seed: int, told: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """*count* cuts: by hand (the control), when a pull is over, and within pulls."""
    draw = random.Random(seed)
    found = []
    with machine() as (made, reference, credential):
        cuts = Cuts(made, reference, credential)
        for number in range(count):
            match number % 4:
                case 0:
                    found.append(cuts.by_hand())
                case 1:
                    found.append(cuts.over())
                case _:
                    found.append(cuts.within(draw.uniform(0.05, 1.2)))
            told(found[-1])
    return found
