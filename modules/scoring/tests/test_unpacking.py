"""Are compressed bodies taken, and nothing worse with them?"""

import gzip
import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgetender_scoring.unpacking import unpack

TEXT = b'{"data": [1, 2, 3]}'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("GZIP", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:])),
        ("deflate", zlib.compress(TEXT)),
        ("identity", TEXT),
    ],
    ids=["gzip", "in capitals", "two members", "deflate", "identity"],
)
def test_a_script_gets_what_is_in_a_compressed_body(echo, encoding, body):
    answer = echo.score(body, Content_Encoding=encoding)

    assert (answer.status, answer.json) == (200, TEXT.decode())


@pytest.mark.parametrize(
    ("encoding", "body", "status", "said"),
    [
        ("gzip", b"no gzip", 400, "The body is no gzip."),
        ("gzip", gzip.compress(TEXT)[:-3], 400, "The body is no gzip."),
        ("gzip", gzip.compress(TEXT) + b"more", 400, "The body is no gzip."),
        ("br", TEXT, 415, "The content encoding 'br' is none of gzip, deflate."),
        ("gzip, gzip", TEXT, 415, "The content encoding 'gzip, gzip' is none of gzip, deflate."),
    ],
    ids=["none", "cut off", "more behind it", "another", "twice"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(echo, encoding, body, status, said):
    answer = echo.score(body, Content_Encoding=encoding)

    assert (answer.status, answer.json) == (status, {"message": said})
    assert answer.header("accept-encoding") == ("gzip, deflate" if status == 415 else None)
    assert answer.header("x-ms-run-function-failed") == "False"


def test_a_body_that_unpacks_past_the_limit_is_413_and_the_server_goes_on(serving):
    script = "def init(): ...\n\n\ndef run(data):\n    return len(data)\n"
    with serving(script, EDGETENDER_SCORING_BODY_LIMIT_MB="1") as server:
        bomb = gzip.compress(bytes(300_000_000), 9)
        refused = server.score(bomb, Content_Encoding="gzip")
        most = server.score(gzip.compress(b"x" * 1_000_000), Content_Encoding="gzip")

    assert (refused.status, refused.json) == (
        413,
        {"message": "The unpacked body must not exceed 1000000 bytes."},
    )
    assert most.json == 1_000_000


def test_a_raw_script_gets_the_body_as_it_was_sent(serving):
    """Scripts of the original server unpack it themselves."""
    script = """
        import gzip
        from azureml.contrib.services.aml_request import rawhttp

        def init(): ...

        @rawhttp
        def run(request):
            return [request.headers["Content-Encoding"], gzip.decompress(request.get_data()).decode()]
    """
    with serving(script) as server:
        assert server.score(gzip.compress(b"in it"), Content_Encoding="gzip").json == ["gzip", "in it"]


def test_a_model_takes_compressed_bodies_in_both_protocols(running, tmp_path):
    onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    onnx_models.fixed(tmp_path / "m.onnx")
    v2 = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [-1, 0, 2]}]}
    with running(tmp_path, "--model_dir", "m.onnx") as server:
        scored = server.score(gzip.compress(b'{"data": [[-1, 0, 2]]}'), Content_Encoding="gzip")
        packed = gzip.compress(json.dumps(v2).encode())
        inferred = server.ask("POST", "/v2/models/m/infer", packed, Content_Encoding="gzip")
        refused = server.ask("POST", "/v2/models/m/infer", b"x", Content_Encoding="gzip")

    assert scored.json == [[0, 0, 2]]
    assert inferred.json["outputs"][0]["data"] == [0, 0, 2]
    assert (refused.status, refused.json) == (400, {"error": "The body is no gzip."})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=4), st.integers(0, 900))
def test_unpacking_gives_back_what_was_packed_or_says_that_it_is_too_much(parts, limit):
    whole = b"".join(parts)

    assert unpack(b"".join(map(gzip.compress, parts)), limit) == (whole if len(whole) <= limit else None)
