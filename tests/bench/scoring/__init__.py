"""What does a scored request cost, against azureml-inference-server-http and ONNX Runtime alone? In CPU time.

The server runs on one core and wrk on another, in rounds whose order is shuffled; requests a second depend on what
else the machine does, CPU time a request little. A row without requests, or with an error in it, is a failure.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from tests.bench.scoring.kinds import KINDS, peer_python
from tests.bench.scoring.liveness import health_ms
from tests.bench.scoring.rows import Row, raw_us, run

ROUNDS = 3
CONNECTIONS = (64, 8, 1)
_NEEDED = ("onnxruntime", "onnx", "numpy")
SCRIPT = """
import json, os
import numpy as np
import onnxruntime as ort


def init():
    global session
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(os.path.join(os.environ["AZUREML_MODEL_DIR"], "mlp.onnx"), options)


def run(raw_data):
    rows = np.array(json.loads(raw_data)["data"], dtype=np.float32)
    return session.run(None, {"x": rows})[0].tolist()
"""
SLEEPS = "import time\n\n\ndef init(): ...\n\n\ndef run(_):\n    time.sleep(1)\n    return 1\n"
BODY = json.dumps({"data": [list(range(1, 11)), list(range(10, 0, -1))]}, separators=(",", ":"))


def measure() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing or shutil.which("wrk") is None:
        print(f"   needs {', '.join([*missing, *(() if shutil.which('wrk') else ('wrk',))])}")
        return
    from modules.scoring.tests.onnx_models import mlp

    peer = peer_python()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mlp(folder / "models" / "mlp.onnx")
        (folder / "score.py").write_text(SCRIPT)
        (folder / "sleeps.py").write_text(SLEEPS)
        (folder / "post.lua").write_text(
            f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['Content-Type'] = 'application/json'\n"
        )
        print(f"   session.run alone: {raw_us(folder / 'models' / 'mlp.onnx'):.1f} µs")
        for connections in CONNECTIONS:
            _show(connections, _rounds(folder, connections, peer))
        for kind in ("script", "original"):
            p50, p99 = health_ms(KINDS[kind], folder, peer)
            print(f"   GET / while run() takes 1 s, {kind}: median {p50:.2f} ms, p99 {p99:.2f} ms")


def _rounds(folder: Path, connections: int, peer: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {name: [] for name in KINDS}
    for _ in range(ROUNDS):
        for name in random.sample(list(KINDS), len(KINDS)):
            rows[name].append(run(KINDS[name], folder, connections, peer))
    return rows


def _show(connections: int, rows: dict[str, list[Row]]) -> None:
    theirs = median(row.cpu_us for row in rows["original"])
    for name, found in rows.items():
        cpu = median(row.cpu_us for row in found)
        print(
            f"   {connections:2} connections  {KINDS[name].label:34} {cpu:6.1f} µs CPU/request"
            f" ({theirs / cpu:4.1f} x less than the original's)"
            f" {median(row.per_s for row in found):7.0f}/s, p99 {median(row.p99_ms for row in found):6.2f} ms,"
            f" RSS {median(row.rss_mib for row in found):4.0f} MiB, start {median(row.start_s for row in found):.2f} s"
        )
