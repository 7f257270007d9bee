"""Fetches images beside the reconciler: submitted, observed by progress, collected when done."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from edgetender.clock import Clock
from edgetender.decide.implied import traits_of
from edgetender.errors import DiskFull, Permanent, Transient
from edgetender.model.image import NEAR, Credential, ImageFacts, ImageReference, room_bytes
from edgetender.model.observed import PullProgress
from edgetender.model.plan import PullOutcome
from edgetender.model.target import ImageWanted
from edgetender.model.units import size_text
from edgetender.ports import Credentials, Engine, Images

log = logging.getLogger(__name__)

_ENGINE_CHOOSES = ("", "v5", "v6", "v7", "v8")


class Relay(Protocol):
    """Lets the engine pull from this machine, at a bounded rate. Threads: any."""

    def serving(
        self, reference: ImageReference, credential: Credential | None
    ) -> AbstractContextManager[ImageReference]:
        """While entered, the engine gets *reference* (pinned) by the name it yields.

        Raises what the real registry answered in place of what the engine made of it.
        """
        ...


class Puller:
    """Up to *workers* pulls at a time. Each is tried once; whether to try again is the ledger's business.

    Threads: `submit`, `progress` and `finished` from any; `work` is the body of each worker thread.
    """

    def __init__(
        self,
        engine: Engine,
        images: Images,
        credentials: Credentials,
        clock: Clock,
        *,
        architecture: str,
        level: str = "",
        stall_s: float,
        wake: Callable[[], None],
        stopping: threading.Event,
        relay: Relay | None = None,
    ) -> None:
        """With *relay* the engine fetches through it."""
        self._engine, self._images, self._credentials, self._clock = engine, images, credentials, clock
        self._architecture, self._level, self._stall_s = architecture, level, stall_s
        self._wake, self._stopping, self._relay = wake, stopping, relay
        self._lock = threading.Lock()
        self._clearing = threading.Lock()
        self._relayed: set[str] = set()  # digests that come by the relay, or came and have no name yet
        self._coming: list[str] = []  # those of them that a worker is at
        self._queue: queue.SimpleQueue[ImageWanted | None] = queue.SimpleQueue()
        self._under_way: dict[str, PullProgress] = {}
        self._finished: list[PullOutcome] = []

    def submit(self, image: ImageWanted) -> None:
        """Have *image* fetched; one that is under way already is not fetched twice."""
        with self._lock:
            if image.reference in self._under_way:
                return
            self._under_way[image.reference] = PullProgress(image.reference, started_at=self._clock.now())
        self._queue.put(image)

    def progress(self) -> tuple[PullProgress, ...]:
        with self._lock:
            return tuple(self._under_way.values())

    def finished(self) -> tuple[PullOutcome, ...]:
        """Hand out what ended since the last call, once."""
        with self._lock:
            done, self._finished = tuple(self._finished), []
            return done

    def close(self, workers: int) -> None:
        """Let *workers* threads end after what they do now (`stopping` aborts that)."""
        for _ in range(workers):
            self._queue.put(None)

    def work(self) -> None:
        """Take submitted images, one after the other, until closed."""
        while (image := self._queue.get()) is not None and not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                outcome = self._fetched(image, began)
            except (Transient, Permanent) as error:
                outcome = PullOutcome(image, None, error, self._clock.monotonic() - began)
            with self._lock:
                self._under_way.pop(image.reference, None)
                if not self._stopping.is_set():
                    self._finished.append(outcome)
            self._wake()

    def _fetched(self, image: ImageWanted, began: float) -> PullOutcome:
        reference = image.parsed
        credential: Credential | None = None
        if image.credential is not None:
            credential = self._credentials.get(image.credential, reference.registry)
        facts = self._images.resolve(
            reference, credential=credential, architecture=self._architecture, variant=self._level
        )
        traits = traits_of(facts)
        if not image.looked:  # whether it is wanted at all is decided first, on what it asks of the device
            return PullOutcome(image, None, None, self._clock.monotonic() - began, traits=traits)
        pinned = reference.pinned(_digest(reference, facts))
        size_bytes = 0
        if fetched := str(pinned) not in self._engine.images():
            size_bytes = facts.download_bytes
            if str(pinned.digest) not in self._near_names().values():  # else only its name is wanted
                self._check_disk(str(reference), size_bytes, image.disk_bytes)
            self._pull(image, pinned, credential, size_bytes)
        seconds = self._clock.monotonic() - began
        return PullOutcome(image, str(pinned), None, seconds, size_bytes, fetched, traits)

    def _pull(
        self, image: ImageWanted, pinned: ImageReference, credential: Credential | None, size_bytes: int
    ) -> None:
        watch = _StallWatch(self._clock, self._stall_s)

        def note(progress: PullProgress) -> bool:
            total = progress.total_bytes or size_bytes or None
            with self._lock:
                if (mine := self._under_way.get(image.reference)) is not None:
                    self._under_way[image.reference] = replace(
                        progress, reference=image.reference, total_bytes=total, started_at=mine.started_at
                    )
            return not self._stopping.is_set() and watch.goes_on(progress)

        log.info("pulling", extra={"fields": {"image": str(pinned), "bytes": size_bytes}})
        if self._relay is None:
            self._engine.pull(pinned, credential, note)
            return
        digest = str(pinned.digest)
        with self._clearing:
            self._relayed.add(digest)
            self._coming.append(digest)
        try:
            self._clear_up()
            with self._relay.serving(pinned, credential) as near:
                self._engine.pull(near, None, note)
            # its layers are here: this asks for the name alone, and where it fails they stay for the next try
            self._engine.pull(pinned, credential, note)
            with self._clearing:
                self._relayed.discard(digest)
        finally:
            with self._clearing:
                self._coming.remove(digest)
        self._clear_up()

    def _clear_up(self, *, for_room: bool = False) -> None:
        """Take away the relay's names that nothing waits for: also those of a process that ended in between.

        *for_room*: also of what waits for its name until it is tried again.
        """
        with self._clearing:
            if for_room:
                self._relayed.intersection_update(self._coming)
            for name, digest in self._near_names().items():
                if digest not in self._relayed:
                    self._engine.remove_image(name)

    def _near_names(self) -> dict[str, str]:
        """The digests of what came by a relay and is not known by its own name alone, by the name it came by."""
        names = (
            name for name in self._engine.images() if name.startswith("127.0.0.1:") and f"/{NEAR}" in name
        )
        return {name: name.rpartition("@")[2] for name in names}

    def _check_disk(self, name: str, download_bytes: int, asked_bytes: int) -> None:
        """Refuse before the first byte what would fill the disk."""
        free = self._engine.free_bytes()
        needed = room_bytes(download_bytes, asked_bytes)
        if free is not None and free < needed and self._near_names():
            self._clear_up(for_room=True)
            free = self._engine.free_bytes()
        if free is not None and free < needed:
            raise DiskFull(
                f"cannot pull {name}: it needs about {size_text(needed)} on the engine's disk, "
                f"{size_text(free)} are free; remove what is not needed there"
            )


def _digest(reference: ImageReference, facts: ImageFacts) -> str:
    """The index' digest, by which every device knows the image; the child's where the engine would take another.

    Docker never chooses by the processor's level, so an image of a level is pulled as what it is.
    """
    if facts.variant in _ENGINE_CHOOSES:
        return reference.digest or facts.index_digest
    return facts.digest


class _StallWatch:
    """Whether bytes still move: any change of the figures within *stall_s* will do."""

    def __init__(self, clock: Clock, stall_s: float) -> None:
        self._clock, self._stall_s = clock, stall_s
        self._seen: tuple[int, int, int] | None = None
        self._moved_at = clock.monotonic()

    def goes_on(self, progress: PullProgress) -> bool:
        seen = (progress.done_bytes, progress.unpacked_bytes, progress.layers_done)
        if seen != self._seen:
            self._seen, self._moved_at = seen, self._clock.monotonic()
        return self._clock.monotonic() - self._moved_at < self._stall_s
