"""Are models loaded, unloaded and timed as the Open Inference Protocol has it?"""

import shutil

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

from modules.scoring.tests.v2_client import post, rows  # noqa: E402  after the skips


def test_a_model_is_loaded_anew_and_the_old_one_stays_when_the_new_one_fails(running, tmp_path):
    path = onnx_models.mlp(tmp_path / "models" / "m" / "1" / "m.onnx")
    onnx_models.text(tmp_path / "models" / "other.onnx")
    good = path.read_bytes()
    with running(tmp_path, "--model_dir", "models", EDGETENDER_SCORING_MODEL_CONTROL="true") as server:
        path.write_bytes(b"broken")
        failed = server.ask("POST", "/v2/repository/models/m/load")
        still = post(server, "/v2/models/m/infer", rows([[1.0] * 10]))
        shutil.rmtree(path.parent)
        (tmp_path / "models" / "m" / "2").mkdir()
        (tmp_path / "models" / "m" / "2" / "m.onnx").write_bytes(good)
        loaded = server.ask("POST", "/v2/repository/models/m/load")
        newer = post(server, "/v2/models/m/infer", rows([[1.0] * 10]))
        gone = server.ask("POST", "/v2/repository/models/other/unload")
        states = {one["name"]: one["state"] for one in server.ask("POST", "/v2/repository/index").json}
        only = server.score(b'{"data": [[1,2,3,4,5,6,7,8,9,10]]}')
        nothing = server.ask("POST", "/v2/repository/models/none/load")
        back = server.ask("POST", "/v2/repository/models/other/load")

    assert (failed.status, "cannot be loaded" in failed.json["error"], still.status) == (400, True, 200)
    assert (loaded.status, newer.json["model_version"]) == (200, "2")
    assert (gone.status, states) == (200, {"m": "READY", "other": "UNAVAILABLE"})
    assert only.status == 200, "with one model left, /score knows which"
    assert (nothing.status, back.status) == (400, 200)


def test_an_entry_script_has_health_and_no_models(echo):
    assert echo.ask("GET", "/v2").json["name"] == "edgetender-scoring"
    assert echo.ask("GET", "/v2/health/ready").status == 200
    assert echo.ask("GET", "/v2/models/x").status == 404
    assert echo.ask("POST", "/v2/repository/index").status == 404


def test_a_call_past_its_limit_is_the_protocols_error(running, tmp_path):
    onnx_models.slow(tmp_path / "m.onnx")
    with running(tmp_path, "--model_dir", "m.onnx", SCORING_TIMEOUT_MS="200") as server:
        one = {"name": "times", "shape": [1], "datatype": "INT64", "data": [10**9]}
        late = post(server, "/v2/models/m/infer", {"inputs": [one]})

    assert (late.status, late.json) == (500, {"error": "the inference took longer than the server's limit"})


def test_clients_load_and_unload_only_where_that_is_allowed(running, tmp_path):
    onnx_models.mlp(tmp_path / "mlp.onnx")
    with running(tmp_path, "--model_dir", ".") as server:
        for what in ("load", "unload"):
            refused = server.ask("POST", f"/v2/repository/models/mlp/{what}")
            assert (refused.status, list(refused.json)) == (403, ["error"])
        assert server.ask("GET", "/v2/models/mlp/ready").status == 200
