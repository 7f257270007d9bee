"""Where may it end? At every write, at every change of the engine, and anywhere: the points of a sweep, lived."""

from __future__ import annotations

import itertools
import queue
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.device import Device, Zygote
from tests.faults.scenarios import STORIES, Lived, Point, Stage, Story, cut
from tests.faults.shim import Arm, Fate, operations

Task = tuple[Story, Point]


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


def steps(measures: dict[str, Lived]) -> list[Task]:
    """Before and after each change of the engine in each story, and at each answer."""
    return [
        (story, point)
        for story in STORIES
        for point in (
            *(
                AtChange(n, after)
                for n in range(1, measures[story.name].changes + 1)
                for after in (False, True)
            ),
            AtAnswer(),
        )
    ]


def writes(measures: dict[str, Lived]) -> list[Task]:
    """Before each write of each story, and a little beyond."""
    return [
        (story, AtWrite(number))
        for story in STORIES
        for number in range(1, len(measures[story.name].writes) + 3)
    ]


def random_tasks(count: int, seed: int, longest_s: float = 0.9) -> list[Task]:
    """*count* kills at random, every third life is cut twice or thrice; the same ones for a *seed*."""
    draw = random.Random(seed)
    return [
        (
            draw.choice(STORIES),
            AtRandom([draw.uniform(0.0, longest_s) for _ in range(draw.choice((1, 1, 2, 3)))]),
        )
        for _ in range(count)
    ]


def disk_tasks(measures: dict[str, Lived], errno: int) -> list[Task]:
    """A disk that fails with *errno* at each write of an update, for three writes or for many."""
    story = next(one for one in STORIES if one.name == "update")
    points = range(1, len(measures["update"].writes) + 1)
    return [(story, DiskFails(number, times, errno)) for number in points for times in (3, 12)]


def measured(zygote: Zygote, stories: Sequence[Story] = STORIES) -> dict[str, Lived]:
    """Each story undisturbed: which writes and changes it has. What is broken already then is no fault's doing."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="et-") as home:
        stage = Stage(Path(home), zygote)
        try:
            for story in stories:
                log = Path(home, f"{story.name}.log")
                lived = stage.live(story, Watched(log))
                lived.writes = [f"{one.kind.name} {one.path}" for one in operations(log)]
                found[story.name] = lived
        finally:
            stage.device.close()
    return found


def run(
    tasks: Iterable[Task],
    zygote: Zygote,
    *,
    workers: int = 3,
    told: Callable[[Lived], None] = lambda _: None,
) -> list[Lived]:
    """Live them all, some at a time, each worker on a device of its own."""
    waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    for task in itertools.chain(tasks, [None] * workers):
        waiting.put(task)
    lives: list[Lived] = []
    broken: list[BaseException] = []

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="et-") as home:
            stage = Stage(Path(home), zygote)
            try:
                while not broken and (task := waiting.get()) is not None:
                    lives.append(stage.live(*task))
                    told(lives[-1])
            except BaseException as error:  # noqa: BLE001  # raised again below, on the caller's thread
                broken.append(error)
            finally:
                stage.device.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return lives


def summary(lives: Sequence[Lived], began: float) -> str:
    """Points, violations and times in a line or some."""
    reached = [one for one in lives if one.reached]
    times = sorted(one.converged_s for one in reached) or [0.0]
    bad = [one for one in lives if one.violations]
    line = (
        f"{len(lives)} lives, {len(reached)} faults happened, {len(bad)} with violations; at rest after "
        f"p50 {times[len(times) // 2]:.2f} s, p99 {times[int(len(times) * 0.99)]:.2f} s, most {times[-1]:.2f} s; "
        f"slowest status {max((one.answer_s for one in lives), default=0):.2f} s; took {time.monotonic() - began:.0f} s"
    )
    lines = [line, *(f"  {one.story}, {one.point}: {'; '.join(one.violations)}" for one in bad)]
    return "\n".join(lines)
