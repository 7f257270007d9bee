"""Which local images may be used? Those that survive a power cut; after one, those that were proven again.

A pull counts once its bytes are on the disk. After the power went, an image that was not synced may be hollow:
it is neither shown nor used before all of it was read. One that was synced is used at once, and read behind
the scenes all the same: cards lie. A hollow one is taken away and pulled anew, once it is known where from.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from edgetender.errors import EngineRefused, ImageCorrupt, NotFound, Permanent, Transient
from edgetender.model.image import Credential, ImageReference
from edgetender.model.observed import Container, PullProgress
from edgetender.ports import Engine

log = logging.getLogger(__name__)

_AGAIN_S = 5.0


class Marks(Protocol):
    """What is remembered of images over a power cut."""

    @property
    def unclean(self) -> bool: ...

    @property
    def cut(self) -> bool: ...

    @property
    def settled(self) -> frozenset[str]: ...

    def settle(self, image: str) -> None: ...

    def forget(self, gone: frozenset[str]) -> None: ...

    def doubt(self, image: str) -> None: ...


class Ground(Protocol):
    """What images stand on."""

    def settle(self) -> None: ...

    def flaw(self, image: str) -> str | None: ...


class ProvenEngine:
    """Implements `edgetender.ports.Engine` upon another; `prove` is the body of a thread of its own.

    Containers that do not run and whose image is in doubt are not shown: nobody starts what may be hollow.
    """

    def __init__(self, engine: Engine, ground: Ground, marks: Marks, wake: Callable[[], None]) -> None:
        self._engine, self._ground, self._marks, self._wake = engine, ground, marks, wake
        self._lock = threading.Lock()
        self._proven: set[str] = set()
        self._hollow: set[str] = set()
        self.create, self.start, self.stop, self.remove = (
            engine.create,
            engine.start,
            engine.stop,
            engine.remove,
        )
        self.remove_image, self.logs, self.figures = engine.remove_image, engine.logs, engine.figures
        self.facts, self.free_bytes, self.watch = engine.facts, engine.free_bytes, engine.watch

    def containers(self) -> tuple[Container, ...]:
        return tuple(one for one in self._engine.containers() if one.running or not self._doubted(one.image))

    def images(self) -> frozenset[str]:
        with self._lock:
            known = self._proven | self._marks.settled
        here = self._engine.images()
        # one that goes, and comes back by another hand, was not synced by us; a pull that ended since is not gone
        gone = frozenset(known - here)
        self._marks.forget(gone)
        with self._lock:
            self._proven -= gone
        return frozenset(name for name in here if not self._doubted(name))

    def pull(
        self,
        reference: ImageReference,
        credential: Credential | None,
        progress: Callable[[PullProgress], bool],
    ) -> None:
        name = str(reference)
        if self._doubted(name) and name in self._engine.images():
            if name not in self._hollow and self._is_whole(name):
                return
            self._take_away(name)
        self._engine.pull(reference, credential, progress)
        self._ground.settle()
        if self._marks.cut and not self._is_whole(
            name
        ):  # it took layers that lay about, of a pull that was cut
            self._take_away(name)
            self._engine.pull(reference, credential, progress)
            self._ground.settle()
            if not self._is_whole(name):  # another image names them
                raise ImageCorrupt(
                    f"cannot repair {name}: the engine took old layers; remove what shares them"
                )
        self._trust(name)

    def prove(self, wanted: Callable[[], Iterable[str]], stopping: threading.Event) -> None:
        """After a power cut: read what is *wanted* here, without asking a registry; else return at once."""
        while self._marks.unclean and not stopping.is_set():
            try:
                names = {one.image for one in self._engine.containers()} | set(wanted())
                here = self._engine.images()
                for name in sorted(names & here, key=lambda name: not self._doubted(name)):
                    if stopping.is_set():
                        return
                    if name not in self._proven and name not in self._hollow:
                        self._is_whole(name)
            except (Transient, Permanent) as error:
                log.info("images cannot be proven yet", extra={"fields": {"why": str(error)}})
                stopping.wait(_AGAIN_S)
            else:
                return

    def _doubted(self, name: str) -> bool:
        if name in self._hollow:
            return True
        return self._marks.unclean and name not in self._proven and name not in self._marks.settled

    def _is_whole(self, name: str) -> bool:
        """Read all of it, and remember what came of it."""
        try:
            flaw = self._ground.flaw(name)
        except NotFound:
            return False
        if flaw is None:
            self._ground.settle()
            self._trust(name)
        else:
            log.error(
                "an image did not survive the power cut", extra={"fields": {"image": name, "why": flaw}}
            )
            with self._lock:
                self._hollow.add(name)
            self._marks.doubt(name)
        self._wake()
        return flaw is None

    def _trust(self, name: str) -> None:
        with self._lock:
            self._proven.add(name)
            self._hollow.discard(name)
        self._marks.settle(name)

    def _take_away(self, name: str) -> None:
        """The hollow image, and what was made of it: the engine would keep its layers for that."""
        try:
            for container in self._engine.containers():
                if container.image == name and not container.running:
                    self._engine.remove(container.id)
            self._engine.remove_image(name)
        except EngineRefused as error:
            raise ImageCorrupt(f"cannot repair {name}: it is in use: {error}") from error
        log.warning("a hollow image was removed, and is pulled anew", extra={"fields": {"image": name}})
