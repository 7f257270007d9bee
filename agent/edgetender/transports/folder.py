"""How do manifests and reports travel where there is no network? As files, in a folder that people carry."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from edgetender import durable
from edgetender.clock import Clock, SystemClock, rfc3339
from edgetender.codec import MAX_BYTES, canonical
from edgetender.documents import load_document
from edgetender.errors import LinkDown, ManifestInvalid
from edgetender.model.upstream import Link, Message
from edgetender.ports import Commands
from edgetender.transports.keeper import LinkKeeper
from edgetender.transports.settings import FolderSettings

log = logging.getLogger(__name__)

_RETRY_S = 5.0
_KINDS = frozenset({".json", ".yaml", ".yml"})


class FolderTransport:
    """Manifests from `inbox/`, in the order of their names; once taken they lie in `inbox/done/`.

    A YAML file that cannot be read goes to `inbox/refused/` with a `.why` beside it. State goes to
    `outbox/<topic>.json`, replaced as a whole; messages to `outbox/messages.jsonl`, one per line, of which
    two files of *messages_max_bytes* are kept. The folder itself is never created: it may be a stick that is
    not plugged in. Hidden files and links are left alone.
    """

    def __init__(self, settings: FolderSettings, device: str, *, clock: Clock | None = None) -> None:
        self._settings, self._device = settings, device
        self._clock = clock or SystemClock()
        self._inbox, self._outbox = settings.path / "inbox", settings.path / "outbox"
        self._accept: Callable[[bytes], bool] = lambda _body: False
        self._seen: dict[str, tuple[tuple[int, int], float]] = {}
        self._keeper = LinkKeeper(
            "folder", f"folder:{settings.path}", self._attend, clock=self._clock, cap_s=_RETRY_S
        )

    def answer(self, commands: Commands) -> None:
        """Nobody asks by a folder."""

    def open(self, accept: Callable[[bytes], bool], wake: Callable[[], None]) -> None:
        self._accept = accept
        self._keeper.open(wake)

    def link(self) -> Link:
        return self._keeper.link()

    def close(self) -> None:
        self._keeper.close(_RETRY_S)

    def send(self, message: Message, *, timeout_s: float) -> None:  # noqa: ARG002  # a disk has no time-out
        """Return once it is on the disk. Raises LinkDown."""
        if self._keeper.closing.is_set() or not self.link().connected:
            raise LinkDown(f"cannot send {message.topic}: {self._settings.path} is not there")
        try:
            if message.retain:
                durable.replace(self._outbox / f"{message.topic.replace('/', '.')}.json", message.body)
            else:
                self._append(message)
        except OSError as error:
            raise LinkDown(f"cannot write {message.topic} to {self._outbox}: {error.strerror}") from error

    def _append(self, message: Message) -> None:
        path = self._outbox / "messages.jsonl"
        line = {"topic": message.topic, "device": self._device, "ts": rfc3339(self._clock.now())}
        try:
            entry = canonical(line | {"body": json.loads(message.body)})
        except ValueError:
            entry = canonical(line | {"base64": base64.b64encode(message.body).decode()})
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size + len(entry) > self._settings.messages_max_bytes:
                path.replace(path.with_suffix(".jsonl.1"))
        with path.open("a+b") as stream:
            if there := stream.tell():
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":
                    entry = b"\n" + entry  # a power cut left half a line; it spoils itself alone
            stream.write(entry + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if not there:
            durable.sync_directory(path.parent)

    def _attend(self) -> None:
        """Look into the inbox until `close`. Raises LinkDown when the folder is not there, or no more."""
        try:
            if not self._settings.path.is_dir():
                raise LinkDown(
                    f"cannot open {self._settings.path}: no such directory; is the medium mounted?"
                )
            for needed in (self._inbox / "done", self._inbox / "refused", self._outbox):
                durable.make_directory(needed)
            self._keeper.is_up()
            while not self._keeper.closing.is_set():
                self._look()
                self._keeper.closing.wait(self._settings.poll_s)
        except OSError as error:
            raise LinkDown(f"cannot use {error.filename or self._settings.path}: {error.strerror}") from error

    def _look(self) -> None:
        found = sorted(
            path
            for path in self._inbox.iterdir()
            if path.suffix in _KINDS and path.name[0] != "." and path.is_file() and not path.is_symlink()
        )
        with contextlib.suppress(FileNotFoundError):  # taken away by its author meanwhile
            self._seen = {path.name: self._mark(path) for path in found}
            for path in found:
                _, since = self._seen[path.name]
                if time.monotonic() - since < self._settings.stable_s or not self._deliver(path):
                    return  # later names wait: the order is the author's

    def _mark(self, path: Path) -> tuple[tuple[int, int], float]:
        """Size and time of *path*, and since when (monotonic) it looks like that."""
        now, known = path.stat(), self._seen.get(path.name)
        shape = (now.st_size, now.st_mtime_ns)
        return known if known is not None and known[0] == shape else (shape, time.monotonic())

    def _deliver(self, path: Path) -> bool:
        with path.open("rb") as stream:
            body = stream.read(MAX_BYTES + 1)
        if path.suffix != ".json":
            try:
                body = canonical(load_document(body, path.name).value)
            except ManifestInvalid as error:
                (self._inbox / "refused" / f"{path.name}.why").write_text(f"{error}\n")
                path.replace(self._inbox / "refused" / path.name)
                log.warning("manifest file refused", extra={"fields": {"file": str(path), "why": str(error)}})
                return True
        if not self._accept(body):
            return False
        path.replace(self._inbox / "done" / path.name)
        return True
