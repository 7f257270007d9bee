"""Where is the limit? A server in C with nothing but HTTP, JSON and ONNX Runtime, built on first use."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.bench.environments import BENCH
from tests.bench.scoring.kinds import Kind

_SOURCE = Path(__file__).with_name("limit.c")


def limit(
    model: str, *, features: int, classes: int, binary: bool = False, load: str = "post.lua"
) -> Kind | None:
    """The limit for a *model* in the bench's folder; None where there is no C compiler."""
    program = _built()
    if program is None:
        return None
    kind = "binary" if binary else "json"
    flags = (str(_library()), model, "x", "y", kind, str(features), str(classes))
    return Kind(f"the limit in C, {kind}", str(program), flags, load=load)


def _built() -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        print("   no C compiler: the limit is not measured")
        return None
    program = BENCH / "limit"
    if not program.exists() or program.stat().st_mtime < _SOURCE.stat().st_mtime:
        BENCH.mkdir(exist_ok=True)
        flags = ("-O2", "-D_GNU_SOURCE", "-Wall", "-o", str(program), str(_SOURCE), "-ldl")
        subprocess.run([compiler, *flags], check=True)
    return program


def _library() -> Path:
    found = find_spec("onnxruntime")
    if found is None or found.origin is None:
        raise RuntimeError("onnxruntime is not installed")
    return next(Path(found.origin).parent.glob("capi/libonnxruntime.so*"))
