"""Which servers are compared, and how is each started?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from tests.bench import environments

ROOT = Path(__file__).resolve().parents[3]
_PEERS = {
    "original": ("azureml-inference-server-http==1.5.1",),
    "mlserver": ("mlserver==1.7.1", "uvloop<0.22"),  # with a newer one it does not serve
    "litserve": ("litserve==0.2.19",),
}


@dataclass(frozen=True)
class Kind:
    """A server: whose *program* it is, with which *flags* and *variables*; *load*: the file wrk is told by."""

    label: str
    program: str = "own"
    flags: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    path: str = "/score"
    health: str = "/"
    load: str = "post.lua"

    def command(self, port: int) -> list[str]:
        match self.program:
            case "own":
                start = [sys.executable, "-m", "edgetender_scoring", "--host", "127.0.0.1"]
            case "original":
                start = [str(python_of("original")), "-m", "azureml_inference_server_http"]
            case "mlserver":
                return [str(python_of("mlserver").with_name("mlserver")), "start", *self.flags]
            case "litserve":
                return [str(python_of("litserve")), *self.flags, str(port)]
            case _:
                return [self.program, str(port), *self.flags]
        return [*start, *self.flags, "--port", str(port)]

    def environment(self, path: str, ports: Sequence[int]) -> dict[str, str]:
        own = {"PYTHONPATH": str(ROOT / "modules" / "scoring")} if self.program == "own" else {}
        names = ("MLSERVER_HTTP_PORT", "MLSERVER_GRPC_PORT", "MLSERVER_METRICS_PORT")
        theirs = dict(zip(names, map(str, ports), strict=True)) if self.program == "mlserver" else {}
        return {"PATH": path, **own, **theirs, **self.variables}


SCRIPT = ("--entry_script", "score.py", "--model_dir", "models")
MODEL = ("--model_dir", "models", "--worker_count", "1")
BATCHED = {"EDGETENDER_SCORING_MAX_BATCH": "128"}
ORIGINAL = Kind("azureml-inference-server-http", "original", SCRIPT)
OURS = Kind("the same script", flags=SCRIPT)
KINDS = {
    "original": ORIGINAL,
    "mlserver": Kind(
        "MLServer, in-process", "mlserver", ("mlserver",), {"MLSERVER_PARALLEL_WORKERS": "0", "HOME": "/tmp"},
        "/v2/models/net/infer", "/v2/health/ready", "v2.lua",
    ),
    "litserve": Kind("LitServe", "litserve", ("serve.py",), {"HOME": "/tmp"}, "/predict", "/health"),
    "script": OURS,
    "model": Kind("the model without a script", flags=MODEL),
    "batched": Kind("the model, batched", flags=MODEL, variables=BATCHED),
}  # fmt: skip


def python_of(peer: str) -> Path:
    """A peer's interpreter, with the libraries that compute as they are here."""
    same = [f"{name}=={version(name)}" for name in ("onnxruntime", "numpy")]
    return environments.python_of(peer, *_PEERS[peer], *same)
