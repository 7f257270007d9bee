"""Which cards has the kernel given up since it started? Its log names them, in three spellings.

It is read from the kernel itself where that is allowed, and from the file that syslog keeps.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from edgetender.probes.tree import Tree

RING = "dev/kmsg"
FILES = ("recorded/kernel.log", "var/log/kern.log")

_ADDRESS = r"(?P<at>[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2})(?:\.\d)?"
_XID = re.compile(rf"NVRM: Xid \(PCI:{_ADDRESS}\): (?P<xid>\d+),")
_OFF = re.compile(rf"NVRM: .*?{_ADDRESS}.*?has fallen off the bus")
_MISMATCH = re.compile(r"NVRM: API mismatch", re.IGNORECASE)
_COLD = re.compile(
    rf"{_ADDRESS}: .*(?:D3cold to D0, device inaccessible|can't change power state from D3cold)"
)
_FALLEN = 79  # Xid: GPU has fallen off the bus
_MOST = 512 * 1024
_RECORD = 8192  # the kernel's longest (CONSOLE_EXT_LOG_MAX)


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says. *at* is a PCI address without its function."""

    at: str = ""
    xid: int | None = None
    lost: bool = False
    mismatch: bool = False


def read(text: str) -> Line:
    """What is said in *text*; Xids of applications (31, 43, 45, ...) are no fault of the card."""
    if match := _XID.search(text):
        xid = int(match["xid"])
        return Line(match["at"].lower(), xid, lost=xid == _FALLEN)
    if match := _OFF.search(text) or _COLD.search(text):
        return Line(match["at"].lower(), lost=True)
    return Line(mismatch=bool(_MISMATCH.search(text)))


def since_boot(text: str) -> tuple[Line, ...]:
    """The lines that matter of a log, from the last start of the kernel on."""
    begin = text.rfind("Linux version ")
    recent = text[max(0, begin) :][-_MOST:]
    found = (read(line) for line in recent.splitlines() if "NVRM" in line or "D3cold" in line)
    return tuple(line for line in found if line.lost or line.mismatch or line.xid is not None)


def told(tree: Tree) -> tuple[Line, ...]:
    """The lines that matter of every log that can be read."""
    texts = (*(tree.text(path) for path in FILES), ring(tree)[0])
    return tuple(dict.fromkeys(line for text in texts if text for line in since_boot(text)))


def ring(tree: Tree) -> tuple[str | None, str]:
    """What the kernel keeps of its log, one record a line; or None and why not: many systems keep it to root."""
    place = tree.place(RING)
    if place is None or not tree.exists(RING):
        return None, "is not there"
    try:
        file = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    records: list[bytes] = []
    try:
        while len(records) < _MOST:
            try:
                record = os.read(file, _RECORD)
            except OSError as error:
                if error.errno == errno.EPIPE:  # overwritten while we read: the next is there
                    continue
                if error.errno == errno.EAGAIN:  # that was the newest
                    break
                return None, f"cannot be read: {error.strerror}"
            if not record:
                break
            records.append(record)
    finally:
        os.close(file)
    return b"".join(records)[-_MOST:].decode(errors="replace"), ""
