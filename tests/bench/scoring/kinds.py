"""Which servers are compared, and how is each started?"""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_PEER = ROOT / ".bench" / "original"
_PEER_NEEDS = ("azureml-inference-server-http==1.5.1", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Kind:
    """A server: its *flags* and *variables*; *own* tells ours from the original."""

    label: str
    flags: tuple[str, ...]
    own: bool = True
    variables: dict[str, str] = field(default_factory=dict)

    def command(self, port: int, peer: Path, script: str | None = None) -> list[str]:
        flags = self.flags if script is None else ("--entry_script", script)
        start = [sys.executable, "-m", "edgetender_scoring", "--host", "127.0.0.1"]
        return [
            *(start if self.own else [str(peer), "-m", "azureml_inference_server_http"]),
            *flags,
            "--port",
            str(port),
        ]

    def environment(self, path: str) -> dict[str, str]:
        own = {"PYTHONPATH": str(ROOT / "modules" / "scoring")} if self.own else {}
        return {"PATH": path, **own, **self.variables}


_SCRIPT = ("--entry_script", "score.py", "--model_dir", "models")
_MODEL = ("--model_dir", "models", "--worker_count", "1")
KINDS = {
    "original": Kind("azureml-inference-server-http", _SCRIPT, own=False),
    "script": Kind("the same script", _SCRIPT),
    "model": Kind("the model without a script", _MODEL),
    "batched": Kind("the model, batched", _MODEL, variables={"EDGETENDER_SCORING_MAX_BATCH": "128"}),
}


def peer_python() -> Path:
    """The original's interpreter, in an environment of its own that is made on first use."""
    python = _PEER / "bin" / "python"
    if not python.exists():
        print("   installing the original server into .bench/original", flush=True)
        venv.create(_PEER, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", *_PEER_NEEDS], check=True, stderr=subprocess.DEVNULL
        )
    return python
