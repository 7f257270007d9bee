"""Where may it end? At every write, at every change of the engine, and anywhere: the points of a sweep, lived."""

from __future__ import annotations

import dataclasses
import itertools
import queue
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.faults.device import Zygote
from tests.faults.points import (
    AtAnswer,
    AtChange,
    AtRandom,
    AtWrite,
    ClockJumps,
    DiskFails,
    RunsShort,
    Watched,
)
from tests.faults.scenarios import END_S, LARGE, STORIES, Lived, Point, Stage, Story
from tests.faults.shim import operations

Task = tuple[Story, Point]
_TEN_YEARS, _BACK = (
    315_360_000,
    -1_735_668_000,
)  # the latter is about 1971, where a clock without a battery begins
_JUMPS = (
    *((wrong_s,) for wrong_s in (_TEN_YEARS, _BACK)),
    *((0, wrong_s) for wrong_s in (_TEN_YEARS, _BACK, 3600, -3600)),
    *((wrong_s, 0) for wrong_s in (_TEN_YEARS, _BACK)),
    (0, _TEN_YEARS, _BACK, 0),
)


class Ended(KeyboardInterrupt):
    """Somebody has seen enough; *lives* are those that were lived until then."""

    def __init__(self, lives: list[Lived]) -> None:
        super().__init__()
        self.lives = lives


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


def clock_tasks() -> list[Task]:
    """Each story with a clock that is wrong from the start, becomes wrong, or becomes right."""
    return [(story, ClockJumps(0.4, jumps)) for jumps in _JUMPS for story in STORIES]


def short_tasks() -> list[Task]:
    """On a device that has no memory left to give, or few file descriptors."""
    memory = [RunsShort("memory", n * 2**16) for n in range(4)]
    limits = (*memory, *(RunsShort("descriptors", n) for n in range(6)))
    tasks = [(story, dataclasses.replace(limit)) for story in STORIES for limit in limits]
    return tasks + [(LARGE, limit) for limit in memory]


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
    end_s: float = END_S,
) -> list[Lived]:
    """Live them all, some at a time, each worker on a device of its own. Ctrl-C ends it after those that are begun.

    Raises Ended then.
    """
    waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    for task in itertools.chain(tasks, [None] * workers):
        waiting.put(task)
    lives: list[Lived] = []
    broken: list[BaseException] = []
    enough = threading.Event()

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="et-") as home:
            stage = Stage(Path(home), zygote, end_s)
            try:
                while not (broken or enough.is_set()) and (task := waiting.get()) is not None:
                    lives.append(stage.live(*task))
                    told(lives[-1])
            except BaseException as error:  # noqa: BLE001  # raised again below, on the caller's thread
                broken.append(error)
            finally:
                stage.device.close()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        enough.set()
        for thread in threads:
            thread.join()
        raise Ended(lives) from None
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
