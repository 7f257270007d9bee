"""Does a script decorated with @input_schema get its arguments, and every wrong request its reason?"""

import json

import pytest

pytest.importorskip("inference_schema", reason="inference-schema is not installed")

FAILED = "x-ms-run-function-failed"
EXEC = "x-ms-run-fn-exec-ms"
IN_SCRIPT = "An unexpected error occurred in scoring script. Check the logs for more info."
JSON = "application/json"

SCRIPT = """
    import numpy as np
    from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
    from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
    from inference_schema.schema_decorators import input_schema, output_schema

    def init(): ...

    @input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
    @input_schema("scale", StandardPythonParameterType(1.5))
    @output_schema(StandardPythonParameterType([1.0]))
    def run(data, scale=2.0):
        if scale < 0:
            raise ValueError("no negative scale")
        return (data.sum(axis=1) * scale).tolist()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, serving_in):
    with serving_in(tmp_path_factory.mktemp("schema"), SCRIPT) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "kind", "status", "body", "failed"),
    [
        pytest.param(b'{"data": [[1, 2], [3, 4]]}', JSON, 200, [6, 14], "False", id="a default is honoured"),
        pytest.param(
            b'{"data": [[1, 2]], "scale": 1, "x": 9}', JSON, 200, [3], "False", id="extra keys ignored"
        ),
        pytest.param(
            b'{"data": [[1, 2]]}', "application/problem+json; charset=utf-8", 200, [6], "False", id="+json"
        ),
        pytest.param(
            b"", JSON, 400, "POST body is empty. Expecting a JSON dictionary.", "False", id="an empty body"
        ),
        pytest.param(
            b"{",
            JSON,
            400,
            "POST body could not be decoded as JSON: Expecting property name enclosed in double quotes:"
            " line 1 column 2 (char 1)",
            "False",
            id="bad JSON",
        ),
        pytest.param(b"[1]", JSON, 400, "POST body should be a JSON dictionary.", "False", id="no object"),
        pytest.param(
            b'{"scale": 1}',
            JSON,
            400,
            "A value is not provided for the 'data' parameter.",
            "False",
            id="a key missing",
        ),
        pytest.param(
            b"{}",
            "text/plain",
            415,
            "Expects Content-Type to be application/json",
            "False",
            id="no JSON type",
        ),
        pytest.param(b'{"data": [["a"]]}', JSON, 500, IN_SCRIPT, "True", id="a wrong type"),
        pytest.param(b'{"data": [[1, 2]], "scale": -1}', JSON, 500, IN_SCRIPT, "True", id="run raises"),
    ],
)
def test_a_decorated_run_gets_its_arguments(server, sent, kind, status, body, failed):
    answer = server.score(sent, Content_Type=kind)

    assert (answer.status, answer.json) == (status, body if status == 200 else {"message": body})
    assert answer.header(FAILED) == failed
    assert (answer.header(EXEC) is not None) == (status == 200)


def test_a_query_gives_the_arguments_of_a_get(server):
    assert server.ask("GET", "/score?data=[[1,2]]&scale=10").json == [30]
    assert server.ask("GET", "/score?x=1").status == 400


def test_a_body_nested_beyond_reason_is_the_clients_fault(server):
    answer = server.score(b"[" * 200_000, Content_Type=JSON)

    assert answer.status == 400
    assert answer.json["message"].startswith("POST body could not be decoded as JSON: ")


def test_strict_input_makes_a_breach_of_the_schema_the_clients_fault(serving):
    with serving(SCRIPT, EDGETENDER_SCORING_STRICT_INPUT="true") as server:
        wrong = server.score(b'{"data": [["a"]]}', Content_Type=JSON)
        failing = server.score(b'{"data": [[1, 2]], "scale": -1}', Content_Type=JSON)

    assert (wrong.status, wrong.header(FAILED)) == (400, "False")
    assert wrong.json["message"].startswith("The input does not match the schema: ")
    assert (failing.status, failing.header(FAILED)) == (500, "True")


@pytest.mark.parametrize(("version", "defined"), [("2", "definitions"), ("3.1", "components")])
def test_the_description_names_inputs_and_outputs(server, version, defined):
    document = server.ask("GET", f"/swagger.json?version={version}").json

    shapes = document[defined] if version == "2" else document[defined]["schemas"]
    number = {"type": "number", "format": "double"}
    assert shapes["ServiceInput"]["properties"]["scale"] == number
    assert shapes["ServiceInput"]["example"] == {"data": [[1.0, 2.0]], "scale": 1.5}
    assert shapes["ServiceOutput"] == {"type": "array", "items": number, "example": [1.0]}


def test_both_decorators_together_are_refused(exit_of, tmp_path):
    both = "from azureml_inference_server_http.api.aml_request import rawhttp\n" + "\n".join(
        line[4:] for line in SCRIPT.splitlines()
    ).replace("def run", "@rawhttp\ndef run")
    (tmp_path / "score.py").write_text(both)

    code, said = exit_of("--entry_script", "score.py")

    assert code == 3
    assert "cannot be decorated with both @rawhttp and @input_schema" in said


def test_swagger_versions_a_type_cannot_be_said_in_are_refused(serving):
    script = """
        from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
        from inference_schema.schema_decorators import input_schema

        def init(): ...

        @input_schema("data", StandardPythonParameterType([1, "a"]))
        def run(data):
            return data
    """
    with serving(script) as server:
        answers = {v: server.ask("GET", f"/swagger.json?version={v}") for v in ("2", "3", "3.1")}

    supported = [v for v, answer in answers.items() if answer.status == 200]
    for version, answer in answers.items():
        if version not in supported:
            assert answer.json == {
                "message": f"Swagger version [{version}] is not supported for the scoring script."
                f" Supported swagger versions: [{', '.join(supported)}]."
            }
    assert json.loads(answers[supported[-1]].body)["info"]["title"] == "ML service"
