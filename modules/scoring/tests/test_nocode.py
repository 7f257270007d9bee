"""Does a model serve without an entry script, as ONNX Runtime itself answers, and on what it was asked to?"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

SEED = b'{"data":[[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}'
BINARY = "application/octet-stream"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlp")
    onnx_models.mlp(folder / "sugar" / "3" / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def server(place, running):
    with running(place, "--model_dir", "sugar/3", SCORING_TIMEOUT_MS="20000") as one:
        yield one


@pytest.fixture(scope="module")
def direct(place):
    session = ort.InferenceSession(str(place / "sugar" / "3" / "model.onnx"))
    return lambda rows: session.run(None, {"x": np.asarray(rows, np.float32)})[0]


@pytest.mark.parametrize(
    "wrap", [lambda r: {"data": r}, lambda r: {"x": r}, lambda r: {"data": {"x": r}}, lambda r: r]
)
def test_rows_in_json_are_scored_as_by_the_runtime(server, direct, wrap):
    rows = json.loads(SEED)["data"]
    answer = server.score(json.dumps(wrap(rows)).encode())

    assert answer.status == 200
    assert np.allclose(answer.json, direct(rows), rtol=1e-6)
    assert answer.header("x-ms-run-function-failed") == "False"
    assert float(answer.header("x-ms-run-fn-exec-ms")) > 0


def test_bytes_in_and_bytes_out_are_exact(server, direct):
    rows = np.random.default_rng(3).random((5, 10), np.float32)
    as_json = server.score(rows.tobytes(), Content_Type=BINARY)
    as_bytes = server.score(rows.tobytes(), Content_Type=BINARY, Accept=BINARY)

    assert np.array_equal(np.array(as_json.json, np.float32), direct(rows))
    assert np.array_equal(np.frombuffer(as_bytes.body, "<f4").reshape(5, 3), direct(rows))
    assert (as_bytes.header("x-tensor-datatype"), as_bytes.header("x-tensor-shape")) == ("FP32", "5,3")


@pytest.mark.parametrize(
    ("sent", "kind", "reason"),
    [
        pytest.param(b"{", "", "The body is no JSON", id="no JSON"),
        pytest.param(b"", "", "The body is no JSON", id="empty"),
        pytest.param(b"{}", "", "No value is given for: x", id="nothing"),
        pytest.param(b'{"data": [[1,2]]}', "", "shape [1, 2], expected [-1, 10]", id="too narrow"),
        pytest.param(b'{"data": [[1],[1,2]]}', "", "is no FP32 tensor", id="ragged"),
        pytest.param(b'{"data": {"y": 1}}', "", "No value is given for: x", id="another name"),
        pytest.param(b'{"data": "text"}', "", "is no FP32 tensor", id="text"),
        pytest.param(b"[" * 100_000, "", "The body is no JSON", id="nested beyond reason"),
        pytest.param(b"\xff", "", "The body is no JSON", id="no text"),
        pytest.param(b"12345", BINARY, "no multiple of 40", id="odd bytes"),
    ],
)
def test_a_wrong_input_is_the_clients_fault_and_says_how(server, sent, kind, reason):
    answer = server.score(sent, Content_Type=kind or "application/json")

    assert answer.status == 400
    assert reason in answer.json["message"]
    assert answer.header("x-ms-run-function-failed") == "False"


def test_the_service_describes_the_model(server):
    document = server.ask("GET", "/swagger.json?version=3").json["components"]["schemas"]

    rows = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    assert document["ServiceInput"]["properties"] == {"data": rows}
    assert document["ServiceInput"]["example"] == {"data": [[0.0] * 10]}
    assert document["ServiceOutput"] == rows


def test_metrics_name_the_model_its_version_and_where_it_runs(server):
    server.score(SEED)
    text = server.ask("GET", "/metrics").body.decode()

    labels = 'model="sugar",version="3"'
    cpu = "CPUExecutionProvider"
    assert f'edgetender_scoring_inferences_total{{{labels},code="200"}}' in text
    assert f'edgetender_scoring_provider_info{{{labels},requested="{cpu}",actual="{cpu}"}} 1' in text
    assert f'edgetender_scoring_provider_nodes_ratio{{{labels},provider="{cpu}"}} 1.0000' in text


def test_a_model_with_several_inputs_and_outputs_goes_by_names(running, tmp_path):
    onnx_models.sum_and_difference(tmp_path / "m.onnx")
    with running(tmp_path, "--model_dir", "m.onnx") as server:
        answer = server.score(b'{"a": [[5, 6]], "b": [[1, 2]]}')
        bare = server.score(b"[[1, 2]]")
        cut = server.score(b'{"a": [[1.5, 2]], "b": [[1, 2]]}')
        huge = server.score(b'{"a": [[1, 2]], "b": [[1, 18446744073709551615]]}')

    assert answer.json == {"sum": [[6, 8]], "difference": [[4, 4]]}
    assert "several inputs, each by its name: a, b" in bare.json["message"]
    assert (bare.status, cut.status, huge.status) == (400, 400, 400)


def test_texts_go_in_and_out(running, tmp_path):
    onnx_models.text(tmp_path / "m.onnx")
    with running(tmp_path, "--model_dir", ".") as server:
        assert server.score('{"data": ["ä", "b"]}'.encode()).json == ["ä", "b"]
        assert server.score(b'{"data": [1]}').status == 400


def test_a_run_past_its_limit_is_stopped_and_its_thread_scores_on(running, tmp_path):
    onnx_models.slow(tmp_path / "m.onnx")
    with running(
        tmp_path, "--model_dir", "m.onnx", "--worker_count", "1", SCORING_TIMEOUT_MS="2000"
    ) as server:
        late = server.score(b'{"data": [1000000000]}')
        quick = server.score(b'{"data": [3]}')
        text = server.ask("GET", "/metrics").body.decode()

    assert (late.status, late.json) == (500, {"message": "Scoring timeout after 2000 ms"})
    assert late.header("x-ms-run-function-failed") == "True"
    assert quick.json == 64
    assert "edgetender_scoring_threads_abandoned 0" in text
    assert "it is stopped" in server.log.read_text()


def test_liveness_answers_while_native_code_runs(running, tmp_path, connect):
    onnx_models.slow(tmp_path / "m.onnx")
    with running(tmp_path, "--model_dir", "m.onnx", SCORING_TIMEOUT_MS="5000") as server:
        busy = connect(server)
        busy.send("POST /score HTTP/1.1\nHost: x\nContent-Length: 24", b'{"data": [100000000000]}'[:24])
        for _ in range(50):
            assert server.ask("GET", "/").status == 200
        assert "edgetender_scoring_in_flight 1" in server.ask("GET", "/metrics").body.decode()
        assert busy.read().status == 500


def test_readiness_waits_for_the_warm_up_and_liveness_does_not(start_only, free_port, tmp_path):
    onnx_models.slow(tmp_path / "m.onnx", always=40_000)  # its first runs take a second or so
    with start_only(tmp_path, "--model_dir", ".", "--port", str(free_port)) as server:
        live, ready = server.ask("GET", "/v2/health/live"), server.ask("GET", "/v2/health/ready")
        health, score, model = server.ask("GET", "/"), server.score(b"[0]"), server.ask("GET", "/v2/models/m")
        deadline = time.monotonic() + 60
        while server.ask("GET", "/v2/health/ready").status != 200:
            assert time.monotonic() < deadline, server.log.read_text()
            threading.Event().wait(0.05)
        healthy, metadata = server.ask("GET", "/"), server.ask("GET", "/v2/models/m")

    assert (live.status, ready.status, health.status, model.status) == (200, 503, 503, 503)
    assert (score.status, score.json) == (503, {"message": "The model is not loaded yet."})
    assert (healthy.status, metadata.status) == (200, 200)


def test_sigterm_while_a_model_loads_ends_at_once(start_only, free_port, tmp_path):
    onnx_models.slow(tmp_path / "m.onnx", always=10**12)
    with start_only(tmp_path, "--model_dir", ".", "--port", str(free_port)) as server:
        server.terminate()

        assert server.process.wait(60) == 0


def test_the_place_of_a_registered_model_counts_from_the_application_root(running, tmp_path):
    """As packages say it: AZUREML_MODEL_DIR=azureml-models/NAME/VERSION, whatever the working directory."""
    root = tmp_path / "root"
    onnx_models.mlp(root / "azureml-models" / "sugar" / "7" / "model.onnx")
    names = {"AML_APP_ROOT": str(root), "AZUREML_MODEL_DIR": "azureml-models/sugar/7"}
    with running(tmp_path, **names) as server:
        assert server.score(SEED).status == 200
        assert server.ask("GET", "/v2/models/sugar").json["versions"] == ["7"]
        assert 'model_info{model="sugar",version="7"} 1' in server.ask("GET", "/metrics").body.decode()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=100)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=11) | st.dictionaries(st.sampled_from(["data", "x", "y"]), inner)
        ),
        max_leaves=25,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(["application/json", BINARY]),
)
def test_no_body_crashes_or_hangs_the_server(server, body, kind):
    assert server.score(body, Content_Type=kind).status in {200, 400}


def test_sigterm_under_load_loses_no_request_of_a_batched_model(running, tmp_path, connect, ask_on):
    onnx_models.mlp(tmp_path / "m.onnx")
    flags = ("--model_dir", "m.onnx", "--worker_count", "2")
    with running(tmp_path, *flags, EDGETENDER_SCORING_MAX_BATCH="32") as server:
        head = f"POST /score HTTP/1.1\nHost: x\nContent-Length: {len(SEED)}"
        answered = [0] * 8

        def load(number):
            client = connect(server)

            def ask():
                client.send(head, SEED)
                return client.read()

            for answer in ask_on(ask):
                assert (answer.status, len(answer.json)) == (200, 2)
                answered[number] += 1
            assert client.at_end()

        with ThreadPoolExecutor(8) as pool:
            loads = [pool.submit(load, number) for number in range(8)]
            while min(answered) < 8 and not any(one.done() for one in loads):
                threading.Event().wait(0.01)
            server.terminate()
            for one in loads:
                one.result()
        assert server.process.wait(60) == 0
        assert min(answered) >= 8


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no model", "cannot be loaded"), (None, "would both be model")],
    ids=["broken", "two"],
)
def test_models_that_cannot_be_served_are_a_reason(exit_of, tmp_path, content, reason):
    for name in ("a.onnx",) if content else ("m/1/a.onnx", "m/1/b.onnx"):
        path = tmp_path / "models" / name
        onnx_models.mlp(path)
        if content:
            path.write_bytes(content)

    code, said = exit_of("--model_dir", "models", "--host", "127.0.0.1", "--port", "0")

    assert code == 3
    assert reason in said


def test_the_optimised_file_beside_the_model_is_the_one_that_runs(running, tmp_path):
    onnx_models.mlp(tmp_path / "m.onnx")
    onnx_models.fixed(tmp_path / "m.optimized.onnx")  # another model, to see which one answers
    with running(tmp_path, "--model_dir", ".") as server:
        assert server.score(b'{"data": [[-1, 0, 2]]}').json == [[0, 0, 2]]


def test_wrong_model_settings_are_said_at_once(exit_of, tmp_path):
    onnx_models.mlp(tmp_path / "m.onnx")

    code, said = exit_of(
        "--model_dir", "m.onnx", EDGETENDER_SCORING_ACCELERATOR="maybe", EDGETENDER_SCORING_MAX_BATCH="none"
    )

    assert code == 3
    assert "EDGETENDER_SCORING_ACCELERATOR" in said
    assert "EDGETENDER_SCORING_MAX_BATCH" in said
