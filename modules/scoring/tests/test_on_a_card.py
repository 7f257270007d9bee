"""On a machine with a real NVIDIA card and an onnxruntime for it: does a model serve on the card? Else skipped.

Servers are processes of their own: what CUDA's libraries do at an interpreter's end is not done to the tests.
"""

import ctypes
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

np = pytest.importorskip("numpy", reason="numpy is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is None or "CUDAExecutionProvider" not in ort.get_available_providers(),
    reason="no NVIDIA card here, or no onnxruntime for one",
)

KILLED_AFTER_S = 10  # an engine's patience with a container that it stops
PICTURES = np.random.default_rng(3).random((24, 3, 32, 32), np.float32)
BINARY = {"Content_Type": "application/octet-stream"}
PROJECT = Path(__file__).resolve().parents[1]


def wants(policy, providers="cuda", **more):
    """The environment of a server; where CUDA's libraries are is the machine's matter."""
    said = {"ACCELERATOR": policy, "PROVIDERS": providers, **more}
    named = {f"EDGETENDER_SCORING_{name}": str(value) for name, value in said.items()}
    paths = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    paths["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PROJECT), paths.get("PYTHONPATH"))))
    return {**named, **paths}


def has_tensorrt():
    try:
        ctypes.CDLL("libnvinfer.so.10")
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("card")
    onnx_models.cnn(place / "m.onnx")
    return place


@pytest.fixture(scope="module")
def on_card(running, folder):
    @contextmanager
    def call(policy="require", providers="cuda", **more):
        with running(folder, "--model_dir", "m.onnx", **wants(policy, providers, **more)) as server:
            yield server

    return call


@pytest.fixture(scope="module")
def right(folder):
    """What the CPU answers."""
    options = {"providers": ["CPUExecutionProvider"]}
    return ort.InferenceSession(str(folder / "m.onnx"), **options).run(None, {"x": PICTURES})[0]


def answers(server, pictures):
    scored = server.score(pictures.tobytes(), **BINARY)
    assert scored.status == 200, scored.body
    return np.array(scored.json, np.float32)


def close(found, right):
    return np.allclose(found, right, rtol=2e-2, atol=2e-3)  # cards multiply in TF32


def test_a_model_that_requires_cuda_runs_there_with_every_node_and_answers_as_on_the_cpu(on_card, right):
    with on_card() as server:
        said = server.ask("GET", "/v2/models/m").json["parameters"]

        assert said["provider_nodes"] == {"CUDAExecutionProvider": 1.0}
        assert not said["degraded"]
        assert close(answers(server, PICTURES), right)


def test_pictures_of_several_clients_are_answered_on_the_card_as_each_alone(on_card, right):
    with on_card(MAX_BATCH=16, BATCH_WAIT_MS=5) as server, ThreadPoolExecutor(24) as clients:
        for few in (2, 3, 24):  # a crowd after few, and few after it
            found = list(clients.map(lambda one: answers(server, one[None]), PICTURES[:few]))

            assert close(np.concatenate(found), right[:few])


def test_a_server_on_the_card_ends_before_an_engine_would_kill_it(on_card):
    with on_card() as server:
        answers(server, PICTURES[:1])

        server.terminate()

        assert server.process.wait(KILLED_AFTER_S) == 0


@pytest.mark.skipif(has_tensorrt(), reason="TensorRT is here")
def test_where_tensorrt_is_missing_the_reason_is_said_and_cuda_takes_its_place(
    on_card, exit_of, folder, right
):
    with on_card("prefer", "tensorrt,cuda") as server:
        said = server.ask("GET", "/v2/models/m").json["parameters"]

        assert said["provider_nodes"] == {"CUDAExecutionProvider": 1.0}
        assert said["degraded"]
        assert close(answers(server, PICTURES), right)
        assert "TensorrtExecutionProvider cannot run it" in server.log.read_text()

    code, told = exit_of("--model_dir", str(folder / "m.onnx"), "--port", "0", **wants("require", "tensorrt"))

    assert (code, "TensorrtExecutionProvider is required, and cannot run it" in told) == (3, True)


@pytest.mark.skipif(not has_tensorrt(), reason="TensorRT is not here")
def test_tensorrt_runs_every_node_and_keeps_its_engine(on_card, right, tmp_path):
    with on_card(providers="tensorrt", ENGINE_CACHE=tmp_path) as server:
        said = server.ask("GET", "/v2/models/m").json["parameters"]

        assert said["provider_nodes"] == {"TensorrtExecutionProvider": 1.0}
        assert close(answers(server, PICTURES), right)
    assert list(tmp_path.rglob("*.engine"))
