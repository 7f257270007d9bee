"""Does a model run where it was asked to, and is it said where it does not? On real sessions."""

import pytest

ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

SEED = b'{"data":[[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}'


CUDA = {"EDGETENDER_SCORING_PROVIDERS": "cuda"}
NO_CUDA = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this runtime has CUDA"
)


@NO_CUDA
def test_a_required_accelerator_that_is_missing_exits_with_3_and_the_reason(exit_of, tmp_path):
    onnx_models.mlp(tmp_path / "m.onnx")

    flags = ("--model_dir", "m.onnx", "--host", "127.0.0.1", "--port", "0")
    code, said = exit_of(*flags, EDGETENDER_SCORING_ACCELERATOR="require", **CUDA)
    none, none_said = exit_of(*flags, EDGETENDER_SCORING_ACCELERATOR="require")

    assert (code, none) == (3, 3)
    assert "CUDAExecutionProvider is required; this onnxruntime has only" in said
    assert "an accelerator is required" in none_said


@pytest.mark.skipif(
    "AzureExecutionProvider" not in ort.get_available_providers(), reason="a build without it"
)
def test_a_required_provider_that_leaves_nodes_to_the_cpu_exits_with_3(exit_of, tmp_path):
    """A provider that is there and takes none of the nodes: the case that is silent without the guard."""
    onnx_models.mlp(tmp_path / "m.onnx")

    code, said = exit_of(
        "--model_dir",
        "m.onnx",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        EDGETENDER_SCORING_ACCELERATOR="require",
        EDGETENDER_SCORING_PROVIDERS="azure",
    )

    assert code == 3
    assert "AzureExecutionProvider is required, and cannot run it" in said


@NO_CUDA
def test_a_preferred_accelerator_that_is_missing_shows_everywhere(running, tmp_path):
    onnx_models.mlp(tmp_path / "m.onnx")
    with running(
        tmp_path, "--model_dir", "m.onnx", EDGETENDER_SCORING_ACCELERATOR="prefer", **CUDA
    ) as server:
        text = server.ask("GET", "/metrics").body.decode()
        said = server.ask("GET", "/v2/models/m").json["parameters"]
        scored = server.score(SEED)

    assert scored.status == 200
    assert 'requested="CUDAExecutionProvider",actual="CPUExecutionProvider"' in text
    assert said["degraded"] is True
    assert said["provider_nodes"] == {"CPUExecutionProvider": 1.0}
    assert "asked for CUDAExecutionProvider" in server.log.read_text()
