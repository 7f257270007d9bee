"""Does a script get its request in the style it asks for, and do older wrappers still work?"""

import json


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
