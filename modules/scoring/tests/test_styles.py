"""Does a script get its request in the style it asks for, and do older wrappers still work?"""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
FLASK = find_spec("flask")
with_flask = pytest.mark.skipif(FLASK is None, reason="flask is not installed")


def flask_too():
    """Where the server finds flask: beside the environment, if it was put before it for this run."""
    return {"PYTHONPATH": f"{PROJECT}:{Path(FLASK.origin).parents[1]}"} if FLASK else {}


def test_unmodified_scripts_parse_faster_where_that_is_asked_for(serving):
    script = """
        import json

        def init(): ...

        def run(data):
            return [json.loads.__wrapped__ is not None, json.loads(data), json.loads(data, parse_int=str)]
    """
    with serving(script, EDGETENDER_SCORING_FAST_JSON="true") as server:
        assert server.score(b'{"a": 1}').json == [True, {"a": 1}, {"a": "1"}]
        assert server.score(b"{").status == 500


def test_a_raw_script_gets_the_request_itself(serving):
    script = """
        from azureml.contrib.services.aml_request import rawhttp
        from azureml.contrib.services.aml_response import AMLResponse

        def init(): ...

        @rawhttp
        def run(request):
            if request.method == "OPTIONS":
                return AMLResponse("mine", 204)
            return {"method": request.method, "args": request.args.to_dict(), "body": request.get_data(as_text=True),
                    "json": request.json if request.is_json else None, "form": request.form.to_dict(),
                    "header": request.headers.get("X-Own"),
                    "files": {name: file.read().decode() for name, file in request.files.items()}}
    """
    with serving(script) as server:
        parts = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\nxyz\r\n--b--\r\n'
        uploaded = server.score(parts, Content_Type="multipart/form-data; boundary=b").json
        got = server.ask("GET", "/score?q=1&q=2").json
        posted = server.ask("POST", "/score?q=1", b'{"a":2}', Content_Type="application/json", X_Own="h").json
        form = server.score(b"k=v", Content_Type="application/x-www-form-urlencoded").json
        options = server.ask("OPTIONS", "/score")

    assert posted["args"] == {"q": "1"}
    assert (posted["json"], posted["header"], posted["method"]) == ({"a": 2}, "h", "POST")
    assert json.loads(posted["body"]) == {"a": 2}
    assert form["form"] == {"k": "v"}
    assert options.status == 204
    assert uploaded["files"] == {"f": "xyz"}
    assert (got["method"], got["args"]) == ("GET", {"q": "1"})


def test_the_original_servers_wrapper_script_is_understood(serving):
    script = """
        import types
        driver_module = types.SimpleNamespace(run=lambda data: "the driver's " + state[0])
        state = []

        def init():
            state.append("init")

        def run(data):
            return "the wrapper's"
    """
    with serving(script) as server:
        assert server.score().json == "the driver's init"


@with_flask
@pytest.mark.parametrize("decorator", ["@rawhttp", ""], ids=["raw", "text"])
def test_a_script_that_uses_flask_has_its_request(serving, decorator):
    """As in the original server, which is a Flask application."""
    script = f"""
        import flask
        from azureml.contrib.services.aml_request import rawhttp

        def init(): ...

        {decorator}
        def run(given):
            request = flask.request
            same = not hasattr(given, "headers") or (isinstance(given, flask.Request) and given.json == request.json)
            return [request.method, request.headers["X-Own"], request.json["a"], request.args["q"], same]
    """
    with serving(script, "--worker_count", "2", **flask_too()) as server:
        headers = {"Content_Type": "application/json", "X_Own": "h"}
        answers = [server.ask("POST", f"/score?q={n}", b'{"a": %d}' % n, **headers).json for n in range(4)]

    assert answers == [["POST", "h", n, str(n), True] for n in range(4)]


@with_flask
def test_a_script_may_answer_with_flasks_response_and_its_failure_leaves_no_request_behind(serving):
    script = """
        import flask

        def init(): ...

        def run(text):
            if text == "fail":
                raise ValueError(text)
            return flask.Response(text, 201, {"X-Own": flask.request.headers["X-Own"]})
    """
    with serving(script, **flask_too()) as server:
        failed = server.score(b"fail", X_Own="1")
        answer = server.score(b"good", X_Own="2")

    assert failed.status == 500
    assert (answer.status, answer.body, answer.header("x-own")) == (201, b"good", "2")
