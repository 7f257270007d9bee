"""How long does health take to answer while a script works? In `sleep`, and in Python code that never rests."""

from __future__ import annotations

import http.client
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.bench.scoring.folder import write
from tests.bench.scoring.kinds import ORIGINAL, OURS, Kind
from tests.bench.scoring.rows import conditions, serving

_SECONDS = 6
_ROUNDS = 3


def measure() -> None:
    """Print median and 99th percentile of `GET /` on new connections while run() takes a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, [[0.0] * 10])
        print(f"   {conditions()}")
        p50, p99 = health_ms(replace(OURS, flags=("--entry_script", "sleeps.py")), folder, busy=False)
        print(f"   GET / of an idle server: median {p50:.2f} ms, p99 {p99:.2f} ms")
        for script in ("sleeps.py", "computes.py"):
            kinds = [replace(kind, flags=("--entry_script", script)) for kind in (OURS, ORIGINAL)]
            found = [[health_ms(kind, folder) for kind in kinds] for _ in range(_ROUNDS)]
            for at, kind in enumerate(kinds):
                p50, p99 = (sorted(one[at][part] for one in found)[_ROUNDS // 2] for part in (0, 1))
                print(f"   GET / while {script} runs, {kind.label}: median {p50:.2f} ms, p99 {p99:.2f} ms")


def health_ms(kind: Kind, folder: Path, *, busy: bool = True) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    with serving(kind, folder) as server:
        end = time.monotonic() + _SECONDS

        def score() -> None:
            while busy and time.monotonic() < end:
                _ask("POST", server.port, "/score")

        load = threading.Thread(target=score)
        load.start()
        pause = threading.Event()  # never set
        pause.wait(0.1)
        took = []
        while time.monotonic() < end:
            begun = time.perf_counter()
            _ask("GET", server.port, "/")
            took.append((time.perf_counter() - begun) * 1e3)
            pause.wait(0.01)
        load.join()
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def _ask(method: str, port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, b"x" if method == "POST" else None)
    connection.getresponse().read()
    connection.close()
