"""What does a server take before and while it serves? Memory and the time to its first answer."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from tests.bench.scoring import possible
from tests.bench.scoring.folder import write, write_binary
from tests.bench.scoring.kinds import KINDS, MODEL, ORIGINAL, Kind
from tests.bench.scoring.models import mlp, resnet18
from tests.bench.scoring.rows import conditions, rss_mib, serving, wrk

_ROUNDS = 5
_BINARY = Kind("the model", flags=MODEL, load="binary.lua")


def measure() -> None:
    if not possible():
        return
    print(f"   {conditions()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mlp(folder / "models" / "net.onnx")
        write(folder, [[0.5] * 10])
        _starts(folder)
    with tempfile.TemporaryDirectory() as name:
        _large(Path(name))


def _starts(folder: Path) -> None:
    """The MLP: start to the first 200, and memory before any request."""
    kinds = {"script": KINDS["script"], "model": KINDS["model"], "original": ORIGINAL}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(_ROUNDS):
        for name, kind in kinds.items():
            with serving(kind, folder) as server:
                wrk(kind, folder, 8, server.port, 1)
                found[name].append((server.start_s, rss_mib(server.pid)))
    for name, rows in found.items():
        start, rss = (median(row[at] for row in rows) for at in (0, 1))
        pairs = zip(rows, found["original"], strict=True)
        of_theirs = median(ours[0] / theirs[0] for ours, theirs in pairs)
        print(
            f"   MLP, {kinds[name].label:32} RSS {rss:5.1f} MiB, first 200 after {start:.2f} s"
            f" ({of_theirs:.2f} of the original's)"
        )


def _large(folder: Path) -> None:
    """ResNet-18: a second thread, and the optimised file."""
    import numpy as np

    resnet18(folder / "plain" / "net.onnx")
    resnet18(folder / "made" / "net.onnx")
    _optimise(folder / "made" / "net.onnx")
    write(folder, [[0.0]])
    write_binary(folder, np.random.default_rng(2).random((1, 3, 224, 224), np.float32).tobytes())
    rows: dict[str, list[float]] = {}
    for _ in range(_ROUNDS):
        for name, place in (("plain", "plain"), ("optimised", "made")):
            rows.setdefault(f"{name}, ONNX Runtime alone", []).append(_alone_mib(folder / place))
        for name, place, threads in (
            ("plain, 1 thread", "plain", "1"), ("plain, 2 threads", "plain", "2"),
            ("optimised, 1 thread", "made", "1"), ("optimised, 2 threads", "made", "2"),
        ):  # fmt: skip
            kind = replace(_BINARY, flags=("--model_dir", place, "--worker_count", threads))
            kind = replace(kind, variables={"EDGETENDER_SCORING_INTRA_OP_THREADS": "1"})
            with serving(kind, folder, "0,1") as server:
                rows.setdefault(f"{name}, loaded", []).append(rss_mib(server.pid))
                wrk(kind, folder, 8, server.port, 2)
                rows.setdefault(f"{name}, after load", []).append(rss_mib(server.pid))
    for name, values in rows.items():
        ratios = {
            other: median(a / b for a, b in zip(values, rows[key], strict=True))
            for other, key in (
                ("one thread's", name.replace("2 threads", "1 thread")),
                ("a plain load's, ONNX Runtime alone", "plain, ONNX Runtime alone"),
            )
        }
        said = ", ".join(f"{ratio:.2f} of {other}" for other, ratio in ratios.items())
        print(f"   ResNet-18, {name:32} RSS {median(values):5.0f} MiB ({said})")


def _alone_mib(place: Path) -> float:
    """What a process with nothing but the loaded model takes."""
    optimised = next(place.glob("*.optimized.onnx"), None)
    level = "ORT_ENABLE_ALL" if optimised is None else "ORT_DISABLE_ALL"
    file = optimised or place / "net.onnx"
    code = (
        "import onnxruntime as ort\noptions = ort.SessionOptions()\noptions.intra_op_num_threads = 1\n"
        f"options.graph_optimization_level = ort.GraphOptimizationLevel.{level}\n"
        f"session = ort.InferenceSession({str(file)!r}, options)\n"
        "print(int(open('/proc/self/statm').read().split()[1]) * 4096 / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _optimise(path: Path) -> None:
    """As packaging does it."""
    ort = importlib.import_module("onnxruntime")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(path.with_suffix(".optimized.onnx"))
    options.log_severity_level = 3
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
