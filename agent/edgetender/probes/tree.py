"""How does a probe read the machine? Below a root, which tests and recordings replace; never outside of it."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 1024 * 1024  # no file a probe reads is larger; one that is, is none of the kernel's
_LINKS = 20


class Tree:
    """The files below *root*. Absolute links stay inside, as for a process whose root it is. Never raises."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.live = root == Path("/")

    def text(self, path: str) -> str | None:
        """What *path* (`proc/cpuinfo`) holds, None where that cannot be read."""
        found = self.bytes(path)
        return None if found is None else found.decode(errors="replace")

    def bytes(self, path: str, most: int = _MOST) -> bytes | None:
        place = self.place(path)
        if place is None:
            return None
        try:
            with place.open("rb") as file:
                return file.read(most)
        except OSError:
            return None

    def line(self, path: str) -> str:
        """The text of a file of one line, without its end and its NULs; empty where there is none."""
        return (self.text(path) or "").strip("\0 \n\t")

    def exists(self, path: str) -> bool:
        place = self.place(path)
        return place is not None and os.path.lexists(place)

    def names(self, path: str) -> list[str]:
        """What a directory holds, sorted."""
        place = self.place(path)
        if place is None:
            return []
        try:
            return sorted(os.listdir(place))  # noqa: PTH208  # names will do
        except OSError:
            return []

    def link(self, path: str) -> str:
        """The last name of where a link points, which need not exist; empty where it is no link."""
        parent = self.place(str(Path(path).parent))
        if parent is None:
            return ""
        try:
            return (parent / Path(path).name).readlink().name
        except OSError:
            return ""

    def mtime(self, path: str) -> int | None:
        """When it was last written, in nanoseconds."""
        place = self.place(path)
        try:
            return None if place is None else place.stat().st_mtime_ns
        except OSError:
            return None

    def shown(self, path: str) -> str:
        """How a fact names *path* as its source: as the machine itself would."""
        return str(self.root / path)

    def place(self, path: str) -> Path | None:
        """Where *path* really is, with links followed below the root; None for a circle of them."""
        if self.live:
            return self.root / path
        left, here, hops = [part for part in Path(path).parts if part != "/"], self.root, 0
        while left:
            part = left.pop(0)
            if part == "..":
                here = here.parent if here != self.root else here
                continue
            step = here / part
            try:
                target = str(step.readlink())
            except OSError:
                here = step
                continue
            hops += 1
            if hops > _LINKS:
                return None
            if target.startswith("/"):
                here = self.root
            left = [each for each in Path(target).parts if each != "/"] + left
        return here
