"""Which root document counts here? The owner's, or the newest of those that followed it from upstream."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from edgetender import durable
from edgetender.codec import MAX_BYTES
from edgetender.errors import CredentialUnusable, TrustRefused
from edgetender.model.signed import Root
from edgetender.trust.owned import opened
from edgetender.trust.verification import first_root, next_root

log = logging.getLogger(__name__)

ROOT_FILE = "root.json"


class Roots:
    """The owner's is `root.json` in *directory*; those that followed it are `root.<version>.json` in *kept*.

    The agent cannot write the owner's, and need not be believed about the others: the chain is verified from
    the owner's on. The files are looked at each time. From any thread.
    """

    def __init__(self, directory: Path, kept: Path | None = None) -> None:
        self._owners, self._kept = directory / ROOT_FILE, kept
        self._known: tuple[tuple[bytes, ...], Root] | None = None

    def current(self) -> Root | None:
        """None where the owner installed none. Raises CredentialUnusable, TrustRefused for the owner's own."""
        bodies = self._bodies()
        if not bodies:
            return None
        if self._known is None or self._known[0] != bodies:
            root = first_root(bodies[0])
            for body in bodies[1:]:
                try:
                    root = next_root(root, body)
                except TrustRefused as error:  # one that the owner's has overtaken, or that was damaged
                    log.info("a kept root does not follow", extra={"fields": {"why": str(error)}})
            self._known = bodies, root
        return self._known[1]

    def keep(self, root: Root, body: bytes) -> None:
        """Write down the document *body* of *root*, which follows the current one. Raises OSError."""
        if self._kept is None:
            raise FileNotFoundError("there is no place for it")
        durable.make_directory(self._kept, 0o700)
        durable.replace(self._kept / f"root.{root.version}.json", body, mode=0o600)

    def _bodies(self) -> tuple[bytes, ...]:
        """The owner's, and what is kept, in order of the versions."""
        first = _read(self._owners)
        if first is None:
            return ()
        found = {}
        for path in self._kept.glob("root.*.json") if self._kept is not None else ():
            number = path.name.split(".")[1]
            if number.isascii() and number.isdigit():
                found[int(number)] = path
        later = []
        for _, path in sorted(found.items()):
            try:
                later.append(_read(path))
            except CredentialUnusable as error:
                log.warning("a kept root is not read", extra={"fields": {"why": str(error)}})
        return (first, *(body for body in later if body is not None))


def _read(path: Path) -> bytes | None:
    descriptor = opened(path, "trust root")
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(MAX_BYTES + 1)
