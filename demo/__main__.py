"""`./run demo`: the main job on real parts, told and verified; then it stays, or with --once it ends."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from demo.device import EDGETENDER
from demo.narrator import StoryFailed, Terminal
from demo.parts.process import Identity, PartFailed
from demo.parts.waiting import TimedOut
from demo.story import MAIN_JOB, STEPS
from demo.world import HOST_PORT, REPOSITORY, World, started

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

HOME = REPOSITORY / ".demo"


def main() -> int:
    asked = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    asked.add_argument(
        "--once", action="store_true", help="the whole story, verified, then end (0: all true)"
    )
    asked.add_argument(
        "--iothub", action="store_true", help="over an Azure IoT Hub of our own, instead of MQTT"
    )
    options = asked.parse_args()
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("a demo runs here already; end it with Ctrl-C there, or ./run clean", file=sys.stderr)
            return 1
        _record_ourselves()
        signal.signal(signal.SIGTERM, _as_ctrl_c)
        try:
            return _tell(Terminal(), once=options.once, iothub=options.iothub)
        finally:
            (HOME / "demo.part").unlink(missing_ok=True)


def _tell(say: Terminal, *, once: bool, iothub: bool) -> int:
    try:
        say.step(0, "Real parts")
        with started(HOME, say, iothub=iothub) as world:
            for step in STEPS if once else MAIN_JOB:
                say.step(step.number, world.upstream.titled(step.title))
                step.act(world)
            _show(say, world, once=once)
            if not once:
                threading.Event().wait()
    except KeyboardInterrupt:
        print("\nremoving what the demo started … done")
        return 130 if once else 0
    except (StoryFailed, PartFailed, TimedOut) as failure:
        print(f"\nFAILED: {failure}\n\nlogs are below {HOME}", file=sys.stderr)
        return 1
    print("\nThe whole story is true. Nothing is left running.")
    return 0


def _show(say: Terminal, world: World, *, once: bool) -> None:
    say.note("")
    say.note("$ edgetender status")
    said = world.device.cli("status")
    say.note(said.all)
    if once:
        return
    command = EDGETENDER.relative_to(REPOSITORY) if EDGETENDER.is_relative_to(REPOSITORY) else EDGETENDER
    say.note(f"""
The model answers at http://localhost:{HOST_PORT}/score until Ctrl-C. In another terminal:

  curl -s -H 'Content-Type: application/json' \\
      -d '{{"data":[[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}}' http://localhost:{HOST_PORT}/score

  export EDGETENDER_CONFIG={_relative(world.device.config)}
  {command} status
  {command} logs diabetes
  {command} history
  {command} hardware
{world.upstream.hints()}
Press Ctrl-C to end the demo and remove what it started.""")


def _relative(path: Path) -> Path:
    return path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path


def _record_ourselves() -> None:
    """So that `./run clean` in another terminal ends this demo, which then ends its parts in order."""
    ourselves = Identity.of(os.getpid())
    if ourselves is not None:
        (HOME / "demo.part").write_text(f"{ourselves.pid} {ourselves.start_ticks}\n")


def _as_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
