"""What does `edgetender status` cost as a process, and what of that is Python's own start?"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from demo.device import EDGETENDER
from tests.bench.deployed import deployed
from tests.bench.paired import paired

PAIRS = 30


def measure() -> None:
    with deployed() as world:
        env = os.environ | {"EDGETENDER_CONFIG": str(world.device.config)}

        def cpu_s(*command: str) -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, env=env, check=True, capture_output=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        status = (str(EDGETENDER), "status")
        pairs = paired(lambda _: cpu_s(*status), lambda _: cpu_s(sys.executable, "-c", "pass"), PAIRS, 2)
        pairs.show("edgetender status, user + system", "python -c pass, user + system")
        _show_imports(env)


def _show_imports(env: dict[str, str]) -> None:
    """The dearest imports on the way, cumulated, by the interpreter's own count."""
    script = "from edgetender.cli import run; from edgetender.cli.output import Session; run(['status'], Session())"
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    lines = [
        line.split("|") for line in told.splitlines() if line.startswith("import time:") and "us]" not in line
    ]
    rows = sorted(((int(total), name.strip()) for _, total, name in lines), reverse=True)
    for total, name in rows[:8]:
        print(f"   import {name:<34} {total / 1e3:6.1f} ms")
