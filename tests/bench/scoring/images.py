"""What does scoring an image cost, as JSON and as bytes, against ONNX Runtime alone? A small CNN and a ResNet-18."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.scoring import possible
from tests.bench.scoring.folder import write, write_binary
from tests.bench.scoring.kinds import BATCHED, KINDS, MODEL, ORIGINAL, SCRIPT, Kind
from tests.bench.scoring.limit import limit
from tests.bench.scoring.models import cnn, resnet18
from tests.bench.scoring.rounds import compare, rounds, show
from tests.bench.scoring.rows import conditions, raw_us

_FAST = {"EDGETENDER_SCORING_FAST_JSON": "true"}


def measure() -> None:
    if not possible():
        return
    _small()
    _large()


def _small() -> None:
    import numpy as np

    image = np.round(np.random.default_rng(2).random((1, 3, 32, 32), np.float32), 6)
    kinds: dict[str, Kind] = {
        "original": ORIGINAL,
        "script": KINDS["script"],
        "script, fast JSON": Kind("the same script, fast JSON", flags=SCRIPT, variables=_FAST),
        "model": KINDS["model"],
        "binary": Kind("the model, bytes", flags=MODEL, load="binary.lua"),
        "binary batched": Kind(
            "the model, bytes, batched", flags=MODEL, variables=BATCHED, load="binary.lua"
        ),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cnn(folder / "models" / "net.onnx")
        write(folder, image.astype(float).round(6).tolist())
        write_binary(folder, image.tobytes())
        for binary, key, load in ((False, "limit", "post.lua"), (True, "limit binary", "binary.lua")):
            least = limit("models/net.onnx", features=3072, classes=10, binary=binary, load=load)
            if least is not None:
                kinds[key] = least
        raw = raw_us(folder / "models" / "net.onnx", image, 500)
        print(f"   CNN, session.run alone: {raw:.1f} µs; {conditions()}")
        rows = rounds(kinds, folder, 64)
        show(kinds, rows, 64, raw)
        for ours in ("script", "script, fast JSON", "model"):
            compare(rows, ours, ("original", "limit"))
        for ours in ("binary", "binary batched"):
            compare(rows, ours, ("original", "limit binary"))
        print(f"      {conditions()}", flush=True)


def _large() -> None:
    import numpy as np

    image = np.random.default_rng(2).random((1, 3, 224, 224), np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        resnet18(folder / "models" / "net.onnx")
        write(folder, [[0.0]])
        write_binary(folder, image.tobytes())
        raw = raw_us(folder / "models" / "net.onnx", image, 10)
        print(f"   ResNet-18, session.run alone: {raw / 1e3:.1f} ms")
        kinds = {"binary": replace(KINDS["model"], label="the model, bytes", load="binary.lua")}
        show(kinds, rounds(kinds, folder, 8, 6), 8, raw)
        print(f"      {conditions()}", flush=True)
