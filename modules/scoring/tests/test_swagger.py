"""Is the service described in each version, and do the user's own files win?"""

import json

import pytest

SCRIPT = "def init(): ...\ndef run(data): return data"
FAILED = "x-ms-run-function-failed"


@pytest.fixture(scope="module")
def server(tmp_path_factory, serving_in):
    names = {"SERVICE_NAME": "Sugar", "SERVICE_VERSION": "7", "SERVICE_PATH_PREFIX": "/a/b/"}
    with serving_in(tmp_path_factory.mktemp("swagger"), SCRIPT, **names) as running:
        yield running


@pytest.mark.parametrize(
    ("query", "key", "value"),
    [
        ("", "swagger", "2.0"),
        ("?version=2", "swagger", "2.0"),
        ("?version=2.0", "swagger", "2.0"),
        ("?version=3", "openapi", "3.0.3"),
        ("?version=3.0", "openapi", "3.0.3"),
        ("?version=3.1", "openapi", "3.1.0"),
    ],
)
def test_each_version_is_given(server, query, key, value):
    answer = server.ask("GET", f"/swagger.json{query}")

    assert (answer.status, answer.header("content-type"), answer.header(FAILED)) == (
        200,
        "application/json",
        "False",
    )
    assert answer.header("x-ms-request-id")
    assert answer.json[key] == value
    assert (answer.json["info"]["title"], answer.json["info"]["version"]) == ("Sugar", "7")
    assert list(answer.json["paths"]) == ["/a/b/", "/a/b/score", "/a/b/swagger.json"]


@pytest.mark.parametrize("version", ["9", "", "two"])
def test_a_version_there_is_none_of_is_404(server, version):
    answer = server.ask("GET", f"/swagger.json?version={version}")

    text = f"Swagger version [{version}] is not valid. Supported versions: [2, 3, 3.1]."
    assert (answer.status, answer.json) == (404, {"message": text})
    assert answer.header(FAILED) == "False"
    assert answer.header("x-request-id")


def test_only_get_reads_it(server):
    assert server.ask("POST", "/swagger.json").status == 405
    assert server.ask("HEAD", "/swagger.json").status == 200
    assert server.ask("OPTIONS", "/swagger.json").header("allow") == "GET, HEAD, OPTIONS"


def test_the_users_own_files_win(serving, tmp_path):
    (tmp_path / "swagger.json").write_text(json.dumps({"mine": 2}))
    (tmp_path / "swagger2.json").write_text(json.dumps({"mine": "not this"}))
    (tmp_path / "swagger3.1.json").write_text(json.dumps({"mine": 3.1}))
    (tmp_path / "swagger3.json").write_text("{ broken")

    with serving(SCRIPT) as server:
        two, three, newest = (server.ask("GET", f"/swagger.json?version={v}").json for v in ("2", "3", "3.1"))

    assert (two, newest) == ({"mine": 2}, {"mine": 3.1})
    assert three["openapi"] == "3.0.3"
    assert "swagger3.json" in server.log.read_text()
