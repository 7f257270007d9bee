"""What does a scored request cost, against other servers and ONNX Runtime alone? In CPU time.

The server runs on one core and wrk on another, in rounds whose order is shuffled; requests a second depend on what
else the machine does, CPU time a request little. A row without requests, or with an error in it, is a failure.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.bench.scoring.folder import write
from tests.bench.scoring.kinds import KINDS, Kind
from tests.bench.scoring.limit import limit
from tests.bench.scoring.models import mlp
from tests.bench.scoring.rounds import compare, rounds, show
from tests.bench.scoring.rows import conditions, raw_us

_CONNECTIONS = (64, 8, 1)
_NEEDED = ("onnxruntime", "onnx", "numpy")
_BODY = [[*range(1, 11)], [*range(10, 0, -1)]]
_PEERS = ("original", "mlserver", "litserve", "limit")


def possible() -> bool:
    """Whether what is needed is installed; says what is not."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    missing += [] if shutil.which("wrk") else ["wrk"]
    if missing:
        print(f"   needs {', '.join(missing)}")
    return not missing


def measure() -> None:
    if not possible():
        return
    import numpy as np

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mlp(folder / "models" / "net.onnx")
        write(folder, _BODY)
        raw = raw_us(folder / "models" / "net.onnx", np.array(_BODY, np.float32))
        print(f"   session.run alone: {raw:.1f} µs; {conditions()}")
        kinds: dict[str, Kind] = dict(KINDS)
        if (least := limit("models/net.onnx", features=10, classes=3)) is not None:
            kinds["limit"] = least
        for connections in _CONNECTIONS:
            rows = rounds(kinds, folder, connections)
            show(kinds, rows, connections, raw)
            for ours in ("script", "model", "batched"):
                compare(rows, ours, _PEERS)
            for what in ("per_s", "p99_ms", "rss_mib", "start_s"):
                compare(rows, "script", _PEERS[:3], what)
            print(f"      {conditions()}", flush=True)
