"""Does a request get the same answer alone and in company? Rows, order, requested outputs, and errors."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

from edgetender_scoring.inference import ModelHandler  # noqa: E402  after the skips
from edgetender_scoring.message import Request  # noqa: E402
from edgetender_scoring.nocode_score import ScoreCodec  # noqa: E402
from edgetender_scoring.onnx_model import load  # noqa: E402
from edgetender_scoring.providers import Wanted  # noqa: E402
from edgetender_scoring.v2 import V2Codec  # noqa: E402

BATCHED = Wanted(max_batch=16, threads=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batching")
    onnx_models.mlp(folder / "mlp.onnx", features=4)
    onnx_models.sum_and_difference(folder / "sums.onnx")
    return folder


@pytest.fixture(scope="module")
def mlp(place):
    return load("mlp", "1", place / "mlp.onnx", BATCHED)


@pytest.fixture(scope="module")
def sums(place):
    return load("sums", "1", place / "sums.onnx", BATCHED)


def request(value, path=b"/score"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Request("POST", path, b"", keep_alive=True, body=body)


FLOATS = st.floats(-100, 100, width=32)
ROWS = st.lists(st.lists(FLOATS, min_size=4, max_size=4), min_size=0, max_size=20)
WRONG = st.sampled_from([b"{", b"[[1,2]]", b'{"data": "x"}', b""])


def same(one, other):
    """Equal but for rounding: a batch multiplies larger matrices, in another order."""
    if one.status != 200 or other.status != 200:
        return (one.status, one.body) == (other.status, other.body)
    return len(json.loads(one.body)) == len(json.loads(other.body)) and np.allclose(
        json.loads(one.body), json.loads(other.body), rtol=1e-4, atol=1e-6
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(ROWS | WRONG, min_size=1, max_size=12))
def test_batched_equals_unbatched(mlp, values):
    handler = ModelHandler(mlp, ScoreCodec())
    requests = [request(one) for one in values]

    together = handler.call_many(requests)
    alone = [handler.call(one) for one in requests]

    assert len(together) == len(alone)
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


OUTPUTS = st.sampled_from([None, ["sum"], ["difference"], ["difference", "sum"]])
PAIRS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=5)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(st.tuples(PAIRS, OUTPUTS, st.booleans()), min_size=1, max_size=12))
def test_each_gets_its_own_rows_and_the_outputs_it_asked_for(sums, asked):
    handler = ModelHandler(sums, V2Codec())
    requests = []
    for at, (pairs, outputs, binary) in enumerate(asked):
        value = {
            "id": str(at),
            "inputs": [
                {"name": name, "shape": [len(pairs), 2], "datatype": "INT64", "data": pairs} for name in "ab"
            ],
            "parameters": {"binary_data_output": binary},
        }
        if outputs is not None:
            value["outputs"] = [{"name": name} for name in outputs]
        requests.append(request(value))

    together = handler.call_many(requests)

    for one, alone in zip(together, map(handler.call, requests), strict=True):
        assert (one.status, one.body, one.headers) == (200, alone.body, alone.headers)


def test_requests_over_many_connections_each_get_their_own(place, running):
    """64 at a time, of different sizes; the metrics show that they ran together."""
    flags = ("--model_dir", "sums.onnx", "--worker_count", "1")
    with running(
        place, *flags, EDGETENDER_SCORING_MAX_BATCH="64", EDGETENDER_SCORING_BATCH_WAIT_MS="5"
    ) as server:
        gate = threading.Barrier(32)

        def ask(number):
            gate.wait()
            for turn in range(20):
                rows = [[number, turn]] * (1 + number % 3)
                answer = server.score(json.dumps({"a": rows, "b": rows}).encode())
                assert answer.json == {
                    "sum": [[2 * number, 2 * turn]] * len(rows),
                    "difference": [[0, 0]] * len(rows),
                }

        with ThreadPoolExecutor(32) as pool:
            list(pool.map(ask, range(32)))
        lines = dict(
            line.rsplit(" ", 1)
            for line in server.ask("GET", "/metrics").body.decode().splitlines()
            if line[0] != "#"
        )
        single = float(lines['edgetender_scoring_batch_requests_bucket{le="1"}'])
        batches = float(lines["edgetender_scoring_batch_requests_count"])

        assert float(lines["edgetender_scoring_batch_requests_sum"]) == 640
        assert batches < 640
        assert single < batches


def test_clients_that_hang_up_cost_their_batch_nothing(place, running, connect):
    flags = ("--model_dir", "sums.onnx", "--worker_count", "1")
    with running(
        place, *flags, EDGETENDER_SCORING_MAX_BATCH="64", EDGETENDER_SCORING_BATCH_WAIT_MS="100"
    ) as server:
        body = b'{"a": [[1, 2]], "b": [[1, 2]]}'
        head = f"POST /score HTTP/1.1\nHost: x\nContent-Length: {len(body)}"
        stays, goes = [connect(server) for _ in range(4)], [connect(server) for _ in range(4)]
        for one, other in zip(stays, goes, strict=True):
            other.send(head, body)
            one.send(head, body)
            other.close()

        assert [one.read().json["sum"] for one in stays] == [[[2, 4]]] * 4
        assert server.score(body).status == 200


def test_it_is_off_unless_asked_for(place, running):
    with running(place, "--model_dir", "sums.onnx") as server:
        server.score(b'{"a": [[1, 2]], "b": [[1, 2]]}')
        text = server.ask("GET", "/metrics").body.decode()
        assert server.ask("GET", "/v2/models/sums").json["parameters"]["max_batch"] == 1

    assert "edgetender_scoring_batch_requests_count 0" in text


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (onnx_models.mlp, 16),
        (onnx_models.sum_and_difference, 16),
        (onnx_models.fixed, 1),
        (onnx_models.over_rows, 1),
    ],
)
def test_only_models_whose_rows_do_not_meet_are_batched(tmp_path, make, allowed):
    assert load("m", "1", make(tmp_path / "m.onnx"), BATCHED).max_batch == allowed


def test_a_failing_batch_is_run_one_by_one(mlp):
    """Whatever makes a batch fail as a whole: each request still gets its own answer."""

    class Grudging:
        """A model that takes one row at a time."""

        name, version, max_batch, rows_alike = "m", "1", 16, True
        inputs, outputs, every_output = mlp.inputs, mlp.outputs, mlp.every_output
        stop, sizes = mlp.stop, mlp.sizes

        def run(self, feeds, wanted):
            if len(feeds["x"]) > 1:
                raise RuntimeError("too many")
            return mlp.run(feeds, wanted)

    handler = ModelHandler(Grudging(), ScoreCodec())
    outcomes = handler.call_many(
        [request([[1, 2, 3, 4]]), request([[1, 2, 3, 4]] * 2), request([[4, 3, 2, 1]])]
    )

    assert [one.status for one in outcomes] == [200, 500, 200]
