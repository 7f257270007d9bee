"""Is the Open Inference Protocol spoken as its clients expect: paths, JSON, binary tensors, errors?"""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

from modules.scoring.tests.v2_client import post, rows  # noqa: E402  after the skips


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Three models, one in two versions."""
    folder = tmp_path_factory.mktemp("v2")
    onnx_models.mlp(folder / "models" / "mlp" / "9" / "m.onnx", features=4)
    onnx_models.mlp(folder / "models" / "mlp" / "10" / "m.onnx")
    onnx_models.sum_and_difference(folder / "models" / "sums.onnx")
    onnx_models.text(folder / "models" / "texts" / "any.onnx")
    return folder


@pytest.fixture(scope="module")
def server(place, running):
    with running(place, "--model_dir", "models") as one:
        yield one


SUMS = {
    "inputs": [
        {"name": "a", "shape": [1, 2], "datatype": "INT64", "data": [5, 6]},
        {"name": "b", "shape": [1, 2], "datatype": "INT64", "data": [[1, 2]]},
    ]
}


def test_health_and_metadata_have_the_protocols_shape(server):
    assert server.ask("GET", "/v2/health/live").status == 200
    assert server.ask("GET", "/v2/health/ready").status == 200
    about = server.ask("GET", "/v2").json
    assert about["name"] == "edgetender-scoring"
    assert "binary_tensor_data" in about["extensions"]
    assert set(about) == {"name", "version", "extensions"}
    mlp = server.ask("GET", "/v2/models/mlp").json
    assert (mlp["name"], mlp["versions"], mlp["platform"]) == ("mlp", ["9", "10"], "onnxruntime_onnx")
    assert mlp["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 10]}]
    assert mlp["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}]
    old = server.ask("GET", "/v2/models/mlp/versions/9").json
    assert old["inputs"][0]["shape"] == [-1, 4]
    assert server.ask("GET", "/v2/models/texts").json["inputs"][0]["datatype"] == "BYTES"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/mlp/ready", 200),
        ("/v2/models/mlp/versions/9/ready", 200),
        ("/v2/models/mlp/versions/8/ready", 404),
        ("/v2/models/none/ready", 404),
    ],
)
def test_a_models_readiness_is_its_status(server, path, status):
    assert server.ask("GET", path).status == status


def test_inference_echoes_the_id_and_names_model_and_version(server, place):
    values = [[float(n) for n in range(10)], [0.5] * 10]
    answer = post(server, "/v2/models/mlp/infer", rows(values, id="42"))
    session = ort.InferenceSession(str(place / "models" / "mlp" / "10" / "m.onnx"))
    expected = session.run(None, {"x": np.array(values, np.float32)})[0]

    assert answer.status == 200
    assert {k: answer.json[k] for k in ("id", "model_name", "model_version")} == {
        "id": "42",
        "model_name": "mlp",
        "model_version": "10",
    }
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", "FP32", [2, 3])
    assert np.allclose(np.array(output["data"]).reshape(2, 3), expected, rtol=1e-6)
    assert post(server, "/v2/models/mlp/versions/9/infer", rows([[1.0] * 4])).json["model_version"] == "9"


def test_outputs_come_in_the_order_asked_for(server):
    all_of_them = post(server, "/v2/models/sums/infer", SUMS).json["outputs"]
    one = post(server, "/v2/models/sums/infer", {**SUMS, "outputs": [{"name": "difference"}]}).json["outputs"]
    turned = {**SUMS, "outputs": [{"name": "difference"}, {"name": "sum"}]}

    assert [(o["name"], o["data"]) for o in all_of_them] == [("sum", [6, 8]), ("difference", [4, 4])]
    assert [(o["name"], o["data"]) for o in one] == [("difference", [4, 4])]
    assert [o["name"] for o in post(server, "/v2/models/sums/infer", turned).json["outputs"]] == [
        "difference",
        "sum",
    ]


def binary(head, *tensors):
    """A request with tensors behind its JSON, and the headers it takes."""
    text = json.dumps(head).encode()
    return text + b"".join(tensors), {"Inference_Header_Content_Length": str(len(text))}


def test_binary_tensors_go_in_and_out(server):
    a, b = np.array([[5, 6]], np.int64), np.array([[1, 2]], np.int64)
    ins = [
        {"name": n, "shape": [1, 2], "datatype": "INT64", "parameters": {"binary_data_size": 16}}
        for n in ("a", "b")
    ]
    outs = [{"name": "sum", "parameters": {"binary_data": True}}, {"name": "difference"}]
    body, headers = binary({"inputs": ins, "outputs": outs}, a.tobytes(), b.tobytes())

    answer = post(server, "/v2/models/sums/infer", body, **headers)

    length = int(answer.header("Inference-Header-Content-Length"))
    head = json.loads(answer.body[:length])
    assert answer.header("content-type") == "application/octet-stream"
    assert head["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert "data" not in head["outputs"][0]
    assert np.frombuffer(answer.body[length:], "<i8").tolist() == [6, 8]
    assert head["outputs"][1]["data"] == [4, 4]


def test_all_outputs_can_be_asked_for_as_bytes(server):
    body = json.dumps({**SUMS, "parameters": {"binary_data_output": True}}).encode()
    answer = post(server, "/v2/models/sums/infer", body)
    length = int(answer.header("Inference-Header-Content-Length"))

    assert np.frombuffer(answer.body[length:], "<i8").tolist() == [6, 8, 4, 4]


def test_a_request_may_be_nothing_but_the_inputs_bytes(server):
    row = np.ones((1, 10), np.float32)
    answer = post(server, "/v2/models/mlp/infer", row.tobytes(), Inference_Header_Content_Length="0")
    length = int(answer.header("Inference-Header-Content-Length"))

    assert np.frombuffer(answer.body[length:], "<f4").shape == (3,)


def test_texts_go_both_ways(server):
    as_json = {"inputs": [{"name": "t", "shape": [2], "datatype": "BYTES", "data": ["ä", ""]}]}
    data = b"\x02\0\0\0\xc3\xa4\0\0\0\0"
    one = {"name": "t", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    body, headers = binary({"inputs": [one], "parameters": {"binary_data_output": True}}, data)

    assert post(server, "/v2/models/texts/infer", as_json).json["outputs"][0]["data"] == ["ä", ""]
    answer = post(server, "/v2/models/texts/infer", body, **headers)
    assert answer.body[int(answer.header("Inference-Header-Content-Length")) :] == data


def test_tritons_own_client_is_understood(server):
    http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    client = http.InferenceServerClient(f"127.0.0.1:{server.port}")
    rows_in = np.random.default_rng(5).random((4, 10), np.float32)

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mlp", "9")
    assert client.get_model_metadata("mlp")["versions"] == ["9", "10"]
    assert {one["name"] for one in client.get_model_repository_index()} == {"mlp", "sums", "texts"}
    found = []
    for as_bytes in (True, False):
        tensor = http.InferInput("x", [4, 10], "FP32")
        tensor.set_data_from_numpy(rows_in, binary_data=as_bytes)
        wanted = [http.InferRequestedOutput("y", binary_data=as_bytes)]
        result = client.infer("mlp", [tensor], outputs=wanted, request_id="r")
        assert result.get_response()["id"] == "r"
        found.append(result.as_numpy("y"))
    assert np.array_equal(*found)
    with pytest.raises(http.InferenceServerException, match="there is no model 'none'"):
        client.get_model_metadata("none")
    client.close()


WRONG = [
    pytest.param(b"{", 400, "the request is no JSON", id="no JSON"),
    pytest.param(b"[]", 400, "must be a JSON object", id="no object"),
    pytest.param({}, 400, "no value is given for input 'x'", id="no inputs"),
    pytest.param({"inputs": {}}, 400, "'inputs' must be a list", id="inputs are no list"),
    pytest.param({"inputs": [{}]}, 400, "each with a name", id="an input without name"),
    pytest.param(rows([[1.0] * 9]), 400, "has the shape [1, 9], expected [-1, 10]", id="a wrong shape"),
    pytest.param(
        {"inputs": [{"name": "z", "shape": [1], "data": [1]}]}, 400, "no input 'z'", id="unknown input"
    ),
    pytest.param(
        {"inputs": [{"name": "x", "shape": [1, 10], "datatype": "INT64", "data": [0] * 10}]},
        400,
        "has the datatype INT64, expected FP32",
        id="a wrong datatype",
    ),
    pytest.param(
        {"inputs": [{"name": "x", "shape": [1, 10], "datatype": "FP32"}]},
        400,
        "has neither data",
        id="no data",
    ),
    pytest.param(
        {"inputs": [{"name": "x", "shape": [2, 10], "datatype": "FP32", "data": [0.0] * 10}]},
        400,
        "is no FP32 tensor",
        id="too little data",
    ),
    pytest.param(
        {"inputs": [{"name": "x", "shape": [-1, 10], "datatype": "FP32", "data": [0.0] * 10}]},
        400,
        "list of lengths",
        id="a negative length",
    ),
    pytest.param(
        {
            "inputs": [
                {"name": "x", "shape": [1, 10], "datatype": "FP32", "parameters": {"binary_data_size": 40}}
            ]
        },
        400,
        "no size within the body",
        id="bytes that are not there",
    ),
    pytest.param(
        {**rows([[1.0] * 10]), "outputs": [{"name": "q"}]}, 400, "no output 'q'", id="unknown output"
    ),
    pytest.param({**rows([[1.0] * 10]), "parameters": 3}, 400, "'parameters' must be", id="wrong parameters"),
]


@pytest.mark.parametrize(("sent", "status", "reason"), WRONG)
def test_a_wrong_request_gets_the_protocols_error(server, sent, status, reason):
    answer = post(server, "/v2/models/mlp/infer", sent)

    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert reason in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/mlp/versions/1/infer", 404),
        ("GET", "/v2/models/mlp/infer", 405),
        ("POST", "/v2/models/mlp", 405),
        ("POST", "/v2", 405),
        ("DELETE", "/v2/health/live", 405),
        ("GET", "/v2/nowhere", 404),
        ("GET", "/v2/models/mlp/versions", 404),
    ],
)
def test_a_wrong_path_or_method_gets_the_protocols_error(server, method, path, status):
    answer = server.ask(method, path)

    assert (answer.status, list(answer.json)) == (status, ["error"])


@pytest.mark.parametrize("length", ["-1", "x", "99999"])
def test_a_length_of_the_json_that_is_none_is_refused(server, length):
    answer = post(server, "/v2/models/mlp/infer", b"{}", Inference_Header_Content_Length=length)

    assert answer.status == 400
    assert "no length within the body" in answer.json["error"]


def test_score_cannot_tell_several_models_apart(server):
    answer = server.score(b"[[1]]")

    assert answer.status == 404
    assert "/v2/models/NAME/infer" in answer.json["message"]
    assert server.ask("GET", "/").status == 200


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)
INPUT = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "t"]) | JSONS},
    optional={
        "shape": st.lists(st.integers(-3, 12), max_size=3) | JSONS,
        "datatype": st.sampled_from(["FP32", "BYTES", "INT64"]) | JSONS,
        "data": JSONS,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size"]), JSONS) | JSONS,
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": st.lists(INPUT, max_size=2) | JSONS},
    optional={"outputs": JSONS, "id": JSONS, "parameters": JSONS},
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=REQUEST | JSONS, cut=st.none() | st.integers(-5, 400), tail=st.binary(max_size=50))
def test_no_request_crashes_or_hangs_an_inference(server, value, cut, tail):
    headers = {} if cut is None else {"Inference_Header_Content_Length": str(cut)}
    for model in ("mlp", "texts"):
        answer = post(server, f"/v2/models/{model}/infer", json.dumps(value).encode() + tail, **headers)
        assert answer.status in {200, 400}, answer
