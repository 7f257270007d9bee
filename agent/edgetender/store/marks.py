"""Which images survive a power cut, and did the last boot of this device end well? One small file says so.

It is written anew at each start, at each image that was synced, and at the end; one that is damaged, or of
another boot that did not end, says that the power went.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgetender import durable
from edgetender.codec import canonical, sha256_hex
from edgetender.store.boot import NO_BOOT

log = logging.getLogger(__name__)

_MOST_BYTES = 1024 * 1024


class BootMarks:
    """Marks of the boot called *boot*. From any thread.

    *unclean* is whether the boot before ended without a word, *cut* whether one ever did. Where there is no file
    nothing is known, and nothing is doubted: the device is new.
    """

    def __init__(self, path: Path, boot: int) -> None:
        self._path, self._boot, self._lock = path, boot, threading.Lock()
        before = _read(path)
        same = before is not None and before["boot"] == boot != NO_BOOT
        self.unclean = before is not None and (bool(before["unclean"]) if same else not before["ended"])
        # layers that no image names any more may lie about from then on, hollow, for a pull to take
        self.cut = self.unclean or (before is not None and bool(before["cut"]))
        self._settled = frozenset(before["settled"]) if before is not None else frozenset()
        self._ended = False
        self._write()

    @property
    def settled(self) -> frozenset[str]:
        """Images that were synced, or proven since."""
        return self._settled

    def settle(self, image: str) -> None:
        """It is on the disk."""
        self._change(lambda settled: settled | {image})

    def forget(self, gone: frozenset[str]) -> None:
        """Of those that are *gone* there is nothing to say any more."""
        self._change(lambda settled: settled - gone)

    def doubt(self, image: str) -> None:
        """It is not whole."""
        self._change(lambda settled: settled - {image})

    def end(self) -> None:
        """The agent ends as it should; what comes until the next boot is the kernel's care."""
        with self._lock:
            self._ended = True
            self._write()

    def _change(self, to: Callable[[frozenset[str]], frozenset[str]]) -> None:
        # by what is there once the lock is ours: it waits for the disk, and meanwhile another pull may have ended
        with self._lock:
            if (settled := to(self._settled)) != self._settled:
                self._settled = settled
                self._write()

    def _write(self) -> None:
        """What a full disk does not take is written with the next change; until then it counts as not said."""
        said = {
            "boot": self._boot,
            "ended": self._ended,
            "unclean": self.unclean,
            "cut": self.cut,
            "settled": sorted(self._settled),
        }
        try:
            body = canonical(said | {"check": sha256_hex(canonical(said))})
            durable.replace(self._path, body, mode=0o600)
        except OSError as error:
            log.warning("the marks of this boot cannot be written", extra={"fields": {"why": str(error)}})


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is no file; a damaged one says what a power cut says."""
    try:
        with path.open("rb") as stream:
            said = json.loads(stream.read(_MOST_BYTES))
        check = said.pop("check")
        if sha256_hex(canonical(said)) == check:
            return dict(said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return {"boot": NO_BOOT, "ended": False, "unclean": True, "cut": True, "settled": []}
