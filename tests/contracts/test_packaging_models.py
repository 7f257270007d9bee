"""Do models that others have made, packaged as they ship them, answer as in ONNX Runtime itself?"""

import json

import pytest

from edgetender.packaging import InferenceConfig, Model, Workspace, oci_layout
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.packager import Order, Packager
from tests.services.engine import REPOSITORY
from tests.services.packaged import BASE, serving

pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
np = pytest.importorskip("numpy", reason="numpy comes with the extra onnx")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime comes with the extra onnx")
SHIPPED = REPOSITORY / ".venv" / "files"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not SHIPPED.is_dir(), reason="no models in .venv/files; ./run test puts them there"),
]


@pytest.fixture
def deployed(packaged, engine_socket):
    """`deployed(name, file, sample)`: the package of that model runs; gives what asks it, and its labels."""

    def make(name, file, sample=None):
        folder, _, _ = packaged
        ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
        model = Model.register(ws, file, name).record
        reference = f"{name}.test/model:1"
        built = Packager(ws).image(Order((model,), InferenceConfig(), reference, sample=sample))
        image = oci_layout.read(built.layout)
        Engine(engine_socket).load(image, reference)
        return serving(Engine(engine_socket), reference), image.config["config"]["Labels"]

    return make


def test_a_classifier_of_file_contents_answers_as_in_the_runtime(deployed):
    """magika: 2048 bytes of a file as whole numbers, to 214 probabilities."""
    (file,) = SHIPPED.glob("magika/models/*/model.onnx")
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(3).integers(0, 257, (3, 2048), np.int32)
    wanted = session.run(None, {"bytes": rows})[0]

    running, labels = deployed("magika", file)
    with running as ask:
        report = json.loads(ask("/health/hardware"))
        found = json.loads(ask("/score", json.dumps({"data": rows.tolist()}).encode()))

    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-6)
    assert np.argmax(found, 1).tolist() == np.argmax(wanted, 1).tolist()
    assert labels["io.edgetender.golden"] == "golden.json"
    assert report["golden"] == {"state": "passed", "passed": True}


def test_a_detector_of_speech_keeps_its_state_from_call_to_call(deployed, tmp_path):
    """silero-vad: three inputs, one of them a bare number, branches inside, and a state that goes round."""
    file = SHIPPED / "silero_vad" / "data" / "silero_vad.onnx"
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    sound = np.random.default_rng(3).normal(0, 0.1, (4, 1, 576)).astype(np.float32)
    state = np.zeros((2, 1, 128), np.float32)
    sample = {"input": sound[0].tolist(), "state": state.tolist(), "sr": 16000}
    (tmp_path / "sample.json").write_text(json.dumps(sample))

    running, _ = deployed("silero", file, tmp_path / "sample.json")
    with running as ask:
        report = json.loads(ask("/health/hardware"))
        theirs = ours = state
        for part in sound:
            wanted, theirs = session.run(
                None, {"input": part, "state": theirs, "sr": np.array(16000, np.int64)}
            )
            body = {"input": part.tolist(), "state": np.asarray(ours).tolist(), "sr": 16000}
            said = json.loads(ask("/score", json.dumps(body).encode()))
            ours = said["stateN"]
            assert np.allclose(said["output"], wanted, rtol=1e-3, atol=1e-5)
            assert np.allclose(ours, theirs, rtol=1e-3, atol=1e-5)

    assert report["golden"] == {"state": "passed", "passed": True}
