"""Where does the model run, how fast, and does it answer rightly? The report by which a device proves a variant.

`GET /health/hardware` runs the model's known input, or the made-up one, on a scoring thread: what it says holds now,
not at the start only. `?runs=N`: that many timed runs instead of 20; two seconds end them.
"""

from __future__ import annotations

import importlib
import logging
import math
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

from edgetender_scoring.golden import FAILED, NONE
from edgetender_scoring.message import Request, to_json
from edgetender_scoring.onnx_model import Model, judge
from edgetender_scoring.outcome import IN_SERVER, Outcome, message
from edgetender_scoring.tensors import to_bytes

log = logging.getLogger("edgetender_scoring")

_RUNS, _MOST_RUNS = 20, 1000
_LONGEST_S = 2.0


class HardwareReport:
    """Answers with the report on one model."""

    batch = 1

    def __init__(self, model: Model) -> None:
        self._model = model
        self.stop = model.stop

    def takes_s(self, _request: Request) -> float:
        return math.inf

    def call(self, request: Request) -> Outcome:
        runs = parse_qs(request.query.decode("latin-1")).get("runs", [str(_RUNS)])[0]
        if not runs.isascii() or not runs.isdigit() or not 1 <= int(runs[:9]) <= _MOST_RUNS:
            return message(400, f"runs is a number from 1 to {_MOST_RUNS}.")
        try:
            return Outcome(200, to_json(report(self._model, int(runs))))
        except Exception:
            log.exception("model %s cannot prove itself", self._model.name)
            return message(500, IN_SERVER)

    def call_many(self, requests: Sequence[Request]) -> list[Outcome]:
        return [self.call(request) for request in requests]


def report(model: Model, runs: int) -> dict[str, Any]:
    """Run the model and say what came of it. Times are milliseconds."""
    ort, found = importlib.import_module("onnxruntime"), model.proof
    model.verdict = verdict = judge(model)
    took: list[float] = []
    results: list[Any] = []
    end = time.perf_counter() + _LONGEST_S
    while len(took) < runs and (not took or time.perf_counter() < end):
        begun = time.perf_counter()
        results = model.run(model.sample)
        took.append((time.perf_counter() - begun) * 1e3)
    took.sort()
    said: dict[str, Any] = {
        "model": model.name,
        "version": model.version,
        "providers_requested": [found.requested],
        "providers_active": [found.actual],
        "node_share": dict(found.share),
        "degraded": found.degraded,
        "ort_version": str(ort.__version__),
        "warmup_ms": [round(second * 1e3, 3) for second in model.warm_up_s],
        "latency_ms": {
            "runs": len(took),
            "p50": round(took[len(took) // 2], 3),
            "p95": round(took[-(-len(took) * 19 // 20) - 1], 3),
        },
        "output_digest": _digest(results),
        "golden": {
            "state": verdict.state,
            "passed": None if verdict.state == NONE else verdict.state != FAILED,
        },
    }
    if verdict.reason:
        said["golden"]["reason"] = verdict.reason
    if cuda := getattr(ort, "cuda_version", ""):
        said["cuda_runtime"] = str(cuda)
    return said


def _digest(results: Sequence[Any]) -> str:
    import hashlib  # late, as in onnx_model: it takes memory

    digest = hashlib.sha256()
    for one in results:
        digest.update(to_bytes(one) if hasattr(one, "dtype") else repr(one).encode())
    return f"sha256:{digest.hexdigest()}"
