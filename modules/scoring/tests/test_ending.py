"""What happens after the last answer? The process ends, whatever native libraries do at their end."""

from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

PROJECT = Path(__file__).resolve().parents[1]
HANGS = "import atexit, threading\natexit.register(threading.Event().wait)\n"


def test_native_libraries_that_hang_at_the_end_hold_no_model_s_server(running, tmp_path):
    """As CUDA's did for 7 s and for more than 10 s, which is when an engine kills."""
    onnx_models.mlp(tmp_path / "m.onnx")
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    path = f"{tmp_path}:{PROJECT}"
    with running(tmp_path, "--model_dir", "m.onnx", PYTHONPATH=path) as server:
        server.terminate()

        assert server.process.wait(60) == 0


def test_nor_one_whose_models_cannot_be_served(exit_of, tmp_path):
    (tmp_path / "m.onnx").write_text("none")
    (tmp_path / "sitecustomize.py").write_text(HANGS)
    flags = ("--model_dir", "m.onnx", "--host", "127.0.0.1", "--port", "0")

    code, said = exit_of(*flags, PYTHONPATH=f"{tmp_path}:{PROJECT}")

    assert (code, "cannot serve: model 'm' cannot be loaded" in said) == (3, True)


def test_what_a_script_does_at_the_end_is_done(serving_in, tmp_path):
    text = """
        import atexit, pathlib

        def init():
            atexit.register(pathlib.Path("done").touch)

        def run(raw_data):
            return 1
    """
    with serving_in(tmp_path, text) as server:
        server.terminate()
        server.process.wait(60)

    assert (tmp_path / "done").exists()
