"""What befalls a daemon in the middle of a story? It is killed, its disk fails, its clock jumps, it runs short."""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.device import Device
from tests.faults.scenarios import Point, cut
from tests.faults.shim import Arm, Fate


@dataclass
class AtWrite(Point):
    """Killed before (or after) the n-th system call that changes a file of the state directory."""

    number: int
    after: bool = False

    def begin(self, device: Device) -> None:
        device.start(Arm(str(device.state), Fate.KILL_AFTER if self.after else Fate.KILL_BEFORE, self.number))

    def reached(self, device: Device) -> bool:
        return device.starts > 1

    def __str__(self) -> str:
        return f"write {self.number} {'after' if self.after else 'before'}"


@dataclass
class AtChange(Point):
    """Killed before (or after) the n-th change of the engine; the answer is lost."""

    number: int
    after: bool = False

    def begin(self, device: Device) -> None:
        device.engine.at[(self.number, "after" if self.after else "before")] = cut(device)
        device.start()

    def reached(self, device: Device) -> bool:
        return device.starts > 1

    def __str__(self) -> str:
        return f"change {self.number} {'after' if self.after else 'before'}"


@dataclass
class AtAnswer(Point):
    """Killed as soon as the wish was acknowledged."""

    def begin(self, device: Device) -> None:
        device.start()

    def acknowledged(self, device: Device) -> None:
        device.kill()

    def reached(self, device: Device) -> bool:
        return device.starts > 1

    def __str__(self) -> str:
        return "answer"


@dataclass
class AtRandom(Point):
    """Killed after some time, and after some time again, as often as there are *moments* (s)."""

    moments: Sequence[float]

    def __post_init__(self) -> None:
        self.lasts_s = sum(self.moments)
        self._left = list(self.moments)
        self._timer: threading.Timer | None = None

    def begin(self, device: Device) -> None:
        device.start()
        self._next(device)

    def again(self, device: Device) -> None:
        device.start()
        self._next(device)

    def _next(self, device: Device) -> None:
        self._timer = threading.Timer(self._left.pop(0), device.kill) if self._left else None
        if self._timer is not None:
            self._timer.start()

    def over(self, device: Device) -> bool:
        return self._timer is None or not (self._left or self._timer.is_alive())

    def __str__(self) -> str:
        return "at " + ", ".join(f"{moment:.3f} s" for moment in self.moments)


@dataclass
class Watched(Point):
    """Nothing happens; what is written goes to *log*."""

    log: Path

    def begin(self, device: Device) -> None:
        device.start(Arm(str(device.state), log=str(self.log)))

    def __str__(self) -> str:
        return "watched"


@dataclass
class DiskFails(Point):
    """From the n-th write on *times* writes fail: for want of space (the daemon lives on), or of a disk."""

    number: int
    times: int
    errno: int

    def begin(self, device: Device) -> None:
        device.start(Arm(str(device.state), Fate.FAIL, self.number, self.times, self.errno))

    def __str__(self) -> str:
        return f"errno {self.errno} at writes {self.number}-{self.number + self.times - 1}"


@dataclass
class ClockJumps(Point):
    """The wall clock is *jumps* seconds off: by the first at the start, by each next *every_s* later."""

    every_s: float
    jumps: Sequence[int]

    def __post_init__(self) -> None:
        self.lasts_s = self.every_s * len(self.jumps)
        self._left = list(self.jumps)

    def begin(self, device: Device) -> None:
        self._next(device)
        device.start()

    def _next(self, device: Device) -> None:
        device.clock.jump(self._left.pop(0))
        if self._left:
            threading.Timer(self.every_s, self._next, (device,)).start()

    def over(self, device: Device) -> bool:
        return not self._left

    def reached(self, device: Device) -> bool:
        """Whether the daemon's own log was written in the years of the jumps."""
        years = {datetime.fromtimestamp(time.time() + wrong_s, UTC).year for wrong_s in self.jumps}
        return all(f"{year}-".encode() in device.log.read_bytes() for year in years)

    def __str__(self) -> str:
        return f"clock every {self.every_s} s: " + ", ".join(f"{wrong_s:+} s" for wrong_s in self.jumps)


@dataclass
class RunsShort(Point):
    """Of *what* it gets no more than *more* beyond what it has, from when the wish was taken, for a while."""

    what: str  # memory (bytes) | descriptors
    more: int

    def __post_init__(self) -> None:
        self.lasts_s = 2.0
        self._timer: threading.Timer | None = None

    def acknowledged(self, device: Device) -> None:
        self._limit(device.pid, self.more)
        self._timer = threading.Timer(self.lasts_s, self._limit, (device.pid, None))
        self._timer.start()

    def _limit(self, pid: int, more: int | None) -> None:
        """None: none."""
        memory = self.what == "memory"
        with contextlib.suppress(OSError):  # it may be dead of it
            place = Path(f"/proc/{pid}")
            has = (
                int((place / "statm").read_text().split()[5]) * resource.getpagesize()
                if memory
                else max(int(one.name) for one in (place / "fd").iterdir())
            )
            which = resource.RLIMIT_DATA if memory else resource.RLIMIT_NOFILE
            _, hard = resource.prlimit(pid, which)
            resource.prlimit(pid, which, (hard if more is None else has + more, hard))

    def reached(self, device: Device) -> bool:
        """Whether anybody was refused any."""
        said = b"MemoryError" if self.what == "memory" else b"Too many open files"
        return said in device.log.read_bytes()

    def over(self, device: Device) -> bool:
        return self._timer is None or not self._timer.is_alive()

    def __str__(self) -> str:
        return f"short {self.what} {self.more}"
