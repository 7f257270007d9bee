"""What do the compared servers serve? One folder with the models, the scripts and what wrk sends."""

from __future__ import annotations

import json
from pathlib import Path

_SESSION = """
import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = 1
"""
SCRIPT = f"""import json, os
{_SESSION}

def init():
    global session
    session = ort.InferenceSession(os.path.join(os.environ["AZUREML_MODEL_DIR"], "net.onnx"), options)


def run(raw_data):
    rows = np.array(json.loads(raw_data)["data"], dtype=np.float32)
    return session.run(None, {{"x": rows}})[0].tolist()
"""
_MLSERVER = f"""{_SESSION}
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Net(MLModel):
    async def load(self):
        self._session = ort.InferenceSession("models/net.onnx", options)
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        output = NumpyCodec.encode_output("y", self._session.run(None, {{"x": rows}})[0])
        return InferenceResponse(model_name=self.name, outputs=[output])
"""
_LITSERVE = f"""import sys
import litserve as ls
{_SESSION}

class Net(ls.LitAPI):
    def setup(self, device):
        self.session = ort.InferenceSession("models/net.onnx", options)

    def decode_request(self, request):
        return np.array(request["data"], dtype=np.float32)

    def predict(self, rows):
        return self.session.run(None, {{"x": rows}})[0]

    def encode_response(self, output):
        return output.tolist()


if __name__ == "__main__":
    server = ls.LitServer(Net(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
"""
SLEEPS = "import time\n\n\ndef init(): ...\n\n\ndef run(_):\n    time.sleep(1)\n    return 1\n"
COMPUTES = """import time


def init(): ...


def run(_):
    end, total = time.monotonic() + 1, 0
    while time.monotonic() < end:
        total += sum(range(1000))
    return 1
"""


def write(folder: Path, rows: object) -> None:
    """Write all but the model, models/net.onnx; *rows* are what each request sends, nested lists of one input."""
    (folder / "score.py").write_text(SCRIPT)
    (folder / "sleeps.py").write_text(SLEEPS)
    (folder / "computes.py").write_text(COMPUTES)
    (folder / "serve.py").write_text(_LITSERVE)
    (folder / "mlserver").mkdir(exist_ok=True)
    (folder / "mlserver" / "net.py").write_text(_MLSERVER)
    settings = {"name": "net", "implementation": "net.Net"}
    (folder / "mlserver" / "model-settings.json").write_text(json.dumps(settings))
    _load(folder / "post.lua", json.dumps({"data": rows}, separators=(",", ":")).encode(), "application/json")
    flat, shape = _flat(rows)
    tensor = {"name": "x", "datatype": "FP32", "shape": shape, "data": flat}
    _load(
        folder / "v2.lua",
        json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode(),
        "application/json",
    )


def write_binary(folder: Path, values: bytes) -> None:
    """Write what wrk sends as raw values."""
    _load(folder / "binary.lua", values, "application/octet-stream")


def _load(file: Path, body: bytes, content_type: str) -> None:
    part = file.with_suffix(".body")
    part.write_bytes(body)
    file.write_text(
        f"wrk.method = 'POST'\nwrk.body = io.open('{part}', 'rb'):read('*a')\n"
        f"wrk.headers['Content-Type'] = '{content_type}'\n"
    )


def _flat(rows: object) -> tuple[list[object], list[int]]:
    if not isinstance(rows, list):
        return [rows], []
    parts = [_flat(one) for one in rows]
    return [value for flat, _ in parts for value in flat], [len(rows), *parts[0][1]]
