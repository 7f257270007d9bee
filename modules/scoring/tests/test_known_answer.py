"""Does a model prove on the device what it answered when it was packaged?"""

import json

import pytest

np = pytest.importorskip("numpy", reason="numpy is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

ROWS = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]
CPU = "CPUExecutionProvider"
REQUIRE = {"EDGETENDER_SCORING_GOLDEN": "require"}


@pytest.fixture
def packaged(tmp_path):
    """`packaged(request, response)`: a model with its golden.json, as packages have them; all parts default to right."""

    def make(request=None, response=None, model=onnx_models.mlp):
        path = model(tmp_path / "models" / "net" / "3" / "net.onnx")
        if response is None:
            response = (
                ort.InferenceSession(str(path)).run(None, {"x": np.array(ROWS, np.float32)})[0].tolist()
            )
        content = {
            "request": request or {"data": ROWS},
            "response": response,
            "tolerance": {"relative": 1e-3, "absolute": 1e-4},
        }
        (tmp_path / "golden.json").write_text(json.dumps(content))
        return tmp_path

    return make


def hardware(server, query=""):
    answer = server.ask("GET", f"/health/hardware{query}")
    return answer.status, answer.json


def test_a_device_is_told_where_the_model_runs_how_fast_and_that_it_answers_rightly(running, packaged):
    with running(packaged(), "--model_dir", "models", **REQUIRE) as server:
        status, said = hardware(server, "?runs=7")
        text = server.ask("GET", "/metrics").body.decode()
        parameters = server.ask("GET", "/v2/models/net").json["parameters"]

    assert status == 200
    assert (said["model"], said["version"]) == ("net", "3")
    assert (said["providers_requested"], said["providers_active"]) == ([CPU], [CPU])
    assert (said["node_share"], said["degraded"]) == ({CPU: 1.0}, False)
    assert said["golden"] == {"state": "passed", "passed": True}
    assert said["latency_ms"]["runs"] == 7
    assert 0 < said["latency_ms"]["p50"] <= said["latency_ms"]["p95"]
    assert len(said["warmup_ms"]) >= 3
    assert said["ort_version"] == ort.__version__
    assert said["output_digest"].startswith("sha256:")
    assert 'edgetender_scoring_known_answer_right{model="net",version="3"} 1' in text
    assert parameters["known_answer"] == "passed"


def test_the_same_input_has_the_same_digest(running, packaged):
    with running(packaged(), "--model_dir", "models") as server:
        assert hardware(server)[1]["output_digest"] == hardware(server)[1]["output_digest"]


def test_a_wrong_answer_is_served_and_said_everywhere(running, packaged):
    """Whether it may stay is the device's decision: quantised models differ a little from processor to processor."""
    with running(packaged(response=[[1, 0, 0], [0, 1, 0]]), "--model_dir", "models") as server:
        status, said = hardware(server)
        scored = server.score(json.dumps({"data": ROWS}).encode())
        text = server.ask("GET", "/metrics").body.decode()

    assert (status, scored.status) == (200, 200)
    assert (said["golden"]["state"], said["golden"]["passed"]) == ("failed", False)
    assert "differs by up to" in said["golden"]["reason"]
    assert 'edgetender_scoring_known_answer_right{model="net",version="3"} 0' in text
    assert "answers its known input wrongly" in server.log.read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"response": [[1, 0, 0], [0, 1, 0]]}, "differs by up to"),
        ({"response": [[1, 0, 0]]}, "has the shape [2, 3], expected [1, 3]"),
        ({"response": "rows"}, "the known answer for 'y' is none"),
        ({"request": {"data": [[1, 2]]}}, "the known input does not run"),
    ],
    ids=["values", "shape", "no numbers", "request"],
)
def test_a_required_answer_that_is_wrong_exits_with_3_and_the_reason(exit_of, packaged, change, reason):
    packaged(**change)

    code, said = exit_of("--model_dir", "models", "--host", "127.0.0.1", "--port", "0", **REQUIRE)

    assert code == 3
    assert reason in said


def test_a_required_answer_that_is_missing_exits_with_3(exit_of, packaged):
    (packaged() / "golden.json").unlink()

    code, said = exit_of("--model_dir", "models", "--host", "127.0.0.1", "--port", "0", **REQUIRE)

    assert code == 3
    assert "there is no golden.json in the application root" in said


def test_a_model_whose_answers_vary_is_not_at_fault(running, packaged):
    folder = packaged(request={"data": [[1, 2, 3]]}, response=[[5, 5, 5]], model=onnx_models.noisy)
    with running(folder, "--model_dir", "models") as server:
        assert hardware(server)[1]["golden"] == {
            "state": "varies",
            "passed": True,
            "reason": "its answers differ from run to run",
        }


def test_a_model_that_takes_no_made_up_input_is_warmed_up_with_its_known_one(running, packaged):
    folder = packaged({"data": [[2, 3]]}, [[1]], onnx_models.picky)
    with running(folder, "--model_dir", "models") as server:
        assert hardware(server)[1]["golden"]["passed"]
        assert "is not warmed up" not in server.log.read_text()
    (folder / "golden.json").unlink()
    with running(folder, "--model_dir", "models") as server:
        assert "is not warmed up" in server.log.read_text()


def test_a_golden_json_that_is_none_is_warned_of(running, packaged):
    folder = packaged()
    (folder / "golden.json").write_text('["something else"]')
    with running(folder, "--model_dir", "models") as server:
        assert hardware(server)[1]["golden"] == {"state": "none", "passed": None}
        assert "golden.json is not used" in server.log.read_text()


@pytest.mark.parametrize("runs", ["0", "1001", "x", "-1", "%C2%B2"])
def test_a_number_of_runs_that_is_none_is_refused(running, packaged, runs):
    with running(packaged(), "--model_dir", "models") as server:
        status, said = hardware(server, f"?runs={runs}")

    assert (status, said) == (400, {"message": "runs is a number from 1 to 1000."})


def test_an_entry_script_knows_itself_where_its_model_runs(echo):
    status, said = hardware(echo)

    assert (status, said) == (404, {"message": "Only the entry script knows where its model runs."})
    assert echo.ask("POST", "/health/hardware").status == 405
