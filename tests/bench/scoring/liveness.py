"""How long does health take to answer while a script works?"""

from __future__ import annotations

import http.client
import threading
import time
from pathlib import Path

from tests.bench.scoring.kinds import Kind
from tests.bench.scoring.rows import serving

_SECONDS = 6


def health_ms(kind: Kind, folder: Path, peer: Path) -> tuple[float, float]:
    """Median and 99th percentile of `GET /` on new connections, in milliseconds, while run() takes a second."""
    with serving(kind, folder, peer, "sleeps.py") as (_, port, _):
        end = time.monotonic() + _SECONDS

        def score() -> None:
            while time.monotonic() < end:
                _ask("POST", port, "/score")

        load = threading.Thread(target=score)
        load.start()
        time.sleep(0.1)
        took = []
        while time.monotonic() < end:
            begun = time.perf_counter()
            _ask("GET", port, "/")
            took.append((time.perf_counter() - begun) * 1e3)
            time.sleep(0.01)
        load.join()
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def _ask(method: str, port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, b"x" if method == "POST" else None)
    connection.getresponse().read()
    connection.close()
