# ruff: noqa: T201  # it talks on the terminal
"""Run the fault sweeps: a slice by default, --all of them, or one fault again that was found.

python -m tests.faults [--all | --count N] [--seed N] [NAME ...]     NAME: steps, kill, random, disk, clock, short, power, docker
python -m tests.faults --story update --point "write 31 before"
"""

from __future__ import annotations

import argparse
import errno
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import docker_root, points, power, shim, sweep
from tests.faults.device import Zygote
from tests.faults.mutants import MUTANTS
from tests.faults.scenarios import LARGE, STORIES, Lived, Point, story

SEED = 20261125
SLICE = {
    "steps": 20,
    "kill": 24,
    "random": 16,
    "disk": 12,
    "clock": 14,
    "short": 8,
    "power": 200,
    "docker": 3,
}
ALL = {
    "steps": None,
    "kill": None,
    "random": 1000,
    "disk": None,
    "clock": None,
    "short": None,
    "power": None,
    "docker": 20,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *SLICE], metavar="NAME", help=", ".join(SLICE))
    parser.add_argument("--all", action="store_true", help="every point, not a slice")
    parser.add_argument("--count", type=int, help="so many points of each instead")
    parser.add_argument("--seed", type=int, default=SEED, help="chooses the slice and the moments")
    parser.add_argument("--workers", type=int, default=3, help="lives at a time")
    parser.add_argument("--story", choices=[one.name for one in (*STORIES, LARGE)], help="live this one")
    parser.add_argument("--point", help="with this fault, as a sweep named it", default="undisturbed")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="the agent without one of its safeguards")
    asked = parser.parse_args()
    if reason := shim.why_not():
        print(f"cannot run: {reason}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="et-") as folder:
        agent = MUTANTS[asked.mutant].made(Path(folder)) if asked.mutant else None
        with Zygote(agent) as zygote:
            if asked.story:
                return _one(zygote, asked.story, asked.point)
            sizes = ALL if asked.all else SLICE
            names = asked.names or list(SLICE)
            bad = sum(
                _run(name, zygote, asked.count or sizes[name], asked.seed, asked.workers) for name in names
            )
    return 1 if bad else 0


def _one(zygote: Zygote, name: str, point: str) -> int:
    began = time.monotonic()
    lives = sweep.run([(story(name), parsed(point))], zygote, workers=1)
    print(sweep.summary(lives, began))
    return 1 if lives[0].violations else 0


def parsed(text: str) -> Point:
    """The point that a sweep printed as *text*."""
    match text.replace(",", "").split():
        case ["write", number, when]:
            return points.AtWrite(int(number), after=when == "after")
        case ["change", number, when]:
            return points.AtChange(int(number), after=when == "after")
        case ["answer"]:
            return points.AtAnswer()
        case ["at", *moments]:
            return points.AtRandom([float(moment) for moment in moments if moment != "s"])
        case ["short", what, more]:
            return points.RunsShort(what, int(more))
        case ["clock", "every", every, "s:", *jumps]:
            return points.ClockJumps(float(every), [int(jump) for jump in jumps if jump != "s"])
        case ["errno", number, "at", "writes", places]:
            first, _, last = places.partition("-")
            return points.DiskFails(int(first), int(last) - int(first) + 1, int(number))
    return Point()


def _run(name: str, zygote: Zygote, size: int | None, seed: int, workers: int) -> int:
    """Run one sweep and print what came of it; the number of points with violations."""
    print(f"{name}:", flush=True)
    if name == "docker":
        return _docker(size or 0, seed)
    if name == "power":
        return _power(zygote, size, seed)
    draw = random.Random(seed)
    tasks = sweep.random_tasks(size or 0, seed) if name == "random" else []
    if name in ("clock", "short"):
        tasks = sweep.clock_tasks() if name == "clock" else sweep.short_tasks()
    if name in ("steps", "kill", "disk"):
        measures = sweep.measured(zygote)
        if broken := [one for one in measures.values() if one.violations]:
            print(f"  broken without any fault: {broken}")
            return len(broken)
        if name in ("steps", "kill"):
            tasks = sweep.steps(measures) if name == "steps" else sweep.writes(measures)
        else:
            tasks = sweep.disk_tasks(measures, errno.ENOSPC) + sweep.disk_tasks(measures, errno.EIO)
    if name != "random":
        draw.shuffle(tasks)
    began = time.monotonic()
    try:
        lives = sweep.run(tasks[:size], zygote, workers=workers, told=_tell)
    except sweep.Ended as ended:
        print("  ended by hand: " + sweep.summary(ended.lives, began), flush=True)
        raise
    print("  " + sweep.summary(lives, began), flush=True)
    return sum(1 for one in lives if one.violations)


def _tell(lived: Lived) -> None:
    if lived.violations:
        print(f"  {lived.story}, {lived.point}: {'; '.join(lived.violations)}", flush=True)


def _power(zygote: Zygote, size: int | None, seed: int) -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="et-") as home:
        recording = power.record(zygote, Path(home, "device"))
    cuts = recording.cuts(size, seed)
    broken = power.replay(recording, cuts, broken=lambda cut, fault: print(f"  {cut}: {fault}", flush=True))
    print(
        f"  {len(recording.operations)} operations, {len(recording.promises)} promises; {len(cuts)} cuts, "
        f"{broken} with a loss; took {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return broken


def _docker(size: int, seed: int) -> int:
    if reason := docker_root.why_not():
        print(f"  not run: {reason}")
        return 0
    began = time.monotonic()
    found = docker_root.sweep(
        size, seed, lambda one: print(f"  {one}; {one.violation or 'well'}", flush=True)
    )
    bad, hollow = (
        sum(one.violation is not None for one in found),
        sum(one.hollow is not None for one in found),
    )
    print(
        f"  {size} cuts, {hollow} left a hollow image, {bad} with violations; {time.monotonic() - began:.0f} s"
    )
    return bad


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
