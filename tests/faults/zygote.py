"""How does a daemon start in milliseconds? Forked off a process that has imported everything, and has no threads.

Reads one JSON object per line (`{"config": path, "log": path, "arm": {...}}`), answers each with the pid of a
daemon that runs on its own from then on; its end is seen by who opened a pidfd of it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.faults.shim import Arm, Fate, arm, follow


def main() -> None:
    for needed in ("edgetender.daemon", "edgetender.config", "edgetender.transports.folder"):
        importlib.import_module(needed)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    _say("ready")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
        _say(str(pid))


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _live(wish: dict[str, Any]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, fd)
        if wish.get("clock"):
            follow(wish["clock"])
        if wish.get("arm"):
            arm(Arm(**(wish["arm"] | {"fate": Fate(wish["arm"]["fate"])})))
        from edgetender.config import load
        from edgetender.daemon import run

        code = run(load(Path(wish["config"])), Path(wish["config"]))
    except BaseException:  # noqa: BLE001  # whatever it was, it is this process' end
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
