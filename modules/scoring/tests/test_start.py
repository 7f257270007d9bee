"""What is said and which exit code, when the server cannot start? And what does it take from where?"""

import json

import pytest

GOOD = "def init(): ...\ndef run(data): return data\n"


@pytest.mark.parametrize(
    "flags",
    [
        ("--nonsense",),
        ("--entry_script", "score.py", "--port", "x"),
        ("--entry_script", "score.py", "--port", "65536"),
        ("--entry_script", "score.py", "--worker_count", "0"),
        (),
    ],
    ids=["unknown", "no number", "no port", "no worker", "no script"],
)
def test_wrong_arguments_exit_with_1(exit_of, flags):
    code, said = exit_of(*flags)

    assert code == 1
    assert "edgetender-scoring" in said or "--entry_script" in said


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param("def init(): ...", "no run()", id="no run"),
        pytest.param("run = print", "no init()", id="no init"),
        pytest.param("def init(): ...\ndef run(): ...", "needs one for the input", id="run without argument"),
        pytest.param("def init(): ...\ndef run(*a): ...", "*args", id="run with star"),
        pytest.param("def init(): ...\ndef run(a, /): ...", "positional-only", id="run positional-only"),
        pytest.param("import nowhere_at_all", "nowhere_at_all", id="does not import"),
        pytest.param("raise SystemExit(0)", "does not import", id="ends the process"),
        pytest.param(
            "import sys\ndef init(): sys.exit(0)\ndef run(d): ...", "init() raised", id="init ends it"
        ),
        pytest.param("def init(): open('nowhere')\ndef run(d): ...", "init() raised", id="init raises"),
    ],
)
def test_a_script_that_cannot_serve_exits_with_3_and_the_reason(exit_of, tmp_path, script, reason):
    (tmp_path / "score.py").write_text(script)

    code, said = exit_of("--entry_script", "score.py")

    assert code == 3
    assert reason in said


def test_a_failing_init_lists_the_model_directory(exit_of, tmp_path):
    (tmp_path / "score.py").write_text("def init(): open('wrong.bin')\ndef run(d): ...")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "right.bin").touch()

    code, said = exit_of("--entry_script", "score.py", "--model_dir", "models")

    assert code == 3
    assert "right.bin" in said


def test_all_wrong_settings_are_said_at_once(exit_of, tmp_path):
    (tmp_path / "score.py").write_text(GOOD)

    code, said = exit_of("--entry_script", "score.py", WORKER_COUNT="many", SCORING_TIMEOUT_MS="-1")

    assert code == 3
    assert "WORKER_COUNT" in said
    assert "SCORING_TIMEOUT_MS" in said


def test_a_taken_port_is_a_reason(exit_of, tmp_path, echo):
    (tmp_path / "score.py").write_text(GOOD)

    code, said = exit_of("--entry_script", "score.py", "--host", "127.0.0.1", "--port", str(echo.port))

    assert code == 3
    assert f"cannot listen on 127.0.0.1 port {echo.port}" in said


def test_the_configuration_file_counts_less_than_environment_and_flags(serving, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"WORKER_COUNT": 7, "AML_CORS_ORIGINS": "*", "AZUREML_MODEL_DIR": "file", "TYPO": 1})
    )
    script = """
        import os

        def init(): ...

        def run(data):
            return os.environ.get("AZUREML_MODEL_DIR")
    """
    with serving(script, AZUREML_MODEL_DIR="environment") as server:
        answer = server.score(Origin="o")
        threads = server.ask("GET", "/metrics").body.decode()
    assert answer.json == "environment"
    assert answer.header("access-control-allow-origin") == "o"
    assert "edgetender_scoring_threads 7" in threads
    assert "TYPO is no known key" in server.log.read_text()

    with serving(
        script, "--model_dir", "flag", "--worker_count", "2", AZUREML_MODEL_DIR="environment"
    ) as server:
        assert server.score().json == str(tmp_path / "flag")
        assert "edgetender_scoring_threads 2" in server.ask("GET", "/metrics").body.decode()


def test_every_documented_key_of_the_file_counts(running, tmp_path):
    root = tmp_path / "root"
    (root / "source").mkdir(parents=True)
    (root / "source" / "beside.py").write_text("WORD = 'found'")
    (root / "entry.py").write_text(
        "import os, time, beside\ndef init(): ...\n"
        "def run(d):\n    time.sleep(5 if d == 'slow' else 0)\n"
        "    return [beside.WORD, os.environ['AML_APP_ROOT'], os.environ['AZUREML_MODEL_DIR']]"
    )
    config = {
        "AML_APP_ROOT": str(root),
        "AZUREML_SOURCE_DIRECTORY": "source",
        "AZUREML_ENTRY_SCRIPT": "entry.py",
        "AZUREML_MODEL_DIR": "models",
        "SERVICE_NAME": "named",
        "SERVICE_VERSION": "9",
        "SERVICE_PATH_PREFIX": "p",
        "WORKSPACE_NAME": "w",
        "HOSTNAME": "h",
        "SCORING_TIMEOUT_MS": 2000,
        "AZUREML_LOG_LEVEL": "debug",
        "AML_APP_INSIGHTS_ENABLED": True,
        "AML_APP_INSIGHTS_KEY": "00000000-0000-0000-0000-000000000000",
        "APP_INSIGHTS_LOG_RESPONSE_ENABLED": False,
        "AML_CORS_ORIGINS": "https://a.example",
        "WORKER_COUNT": 3,
        "WORKER_TIMEOUT": 300,
        "WORKER_PRELOAD": False,
        "SERVER_VERSION_LOG_RESPONSE_ENABLED": False,
        "SEPERATE_HEALTH_ENDPOINT": False,
        "AML_MDC_STORAGE_ENABLED": False,
        "AML_MODEL_DC_STORAGE_ENABLED": False,
    }
    (tmp_path / "own.json").write_text(json.dumps(config))

    with running(tmp_path, "--config_file", "own.json") as server:
        answer, late = server.score(Origin="https://a.example"), server.score(b"slow")
        paths = server.ask("GET", "/swagger.json").json
        threads = server.ask("GET", "/metrics").body.decode()
    said = server.log.read_text()

    assert answer.json == ["found", str(root), "models"]
    assert answer.header("access-control-allow-origin") == "https://a.example"
    assert answer.header("x-ms-server-version") is None
    assert late.json == {"message": "Scoring timeout after 2000 ms"}
    assert (paths["info"]["title"], paths["info"]["version"], next(iter(paths["paths"]))) == (
        "named",
        "9",
        "/p/",
    )
    assert "edgetender_scoring_threads 3" in threads
    assert "no known key" not in said
    assert "Application Insights is not served" in said


def test_metrics_name_the_registered_model_of_a_script(serving, tmp_path):
    with serving(GOOD, AZUREML_MODEL_DIR="azureml-models/sugar/3") as server:
        server.score()
        text = server.ask("GET", "/metrics").body.decode()

    assert 'edgetender_scoring_model_info{model="sugar",version="3"} 1' in text
    assert 'edgetender_scoring_inferences_total{model="sugar",version="3",code="200"} 1' in text


def test_the_log_level_counts(exit_of, tmp_path):
    (tmp_path / "score.py").write_text("def init(): ...")
    (tmp_path / "config.json").write_text('{"AZUREML_LOG_LEVEL": "ERROR", "TYPO": 1}')

    code, said = exit_of("--entry_script", "score.py")

    assert code == 3
    assert "no run()" in said
    assert "TYPO" not in said


def test_an_empty_configuration_file_counts_as_none(serving, tmp_path):
    (tmp_path / "config.json").touch()
    (tmp_path / "empty.json").touch()
    script = "def init(): ...\ndef run(d): return 1"

    with serving(script, AZUREML_CONFIG_FILE=str(tmp_path / "empty.json")) as server:
        assert server.score().json == 1


def test_the_file_beside_the_script_is_found(serving, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "config.json").write_text('{"SERVICE_NAME": "deep"}')
    (tmp_path / "deep" / "entry.py").write_text(GOOD)

    with serving("", "--entry_script", "deep/entry.py") as server:
        assert server.ask("GET", "/swagger.json").json["info"]["title"] == "deep"


@pytest.mark.parametrize(
    "written", ["[1]", "{", '{"WORKER_COUNT": "many"}'], ids=["no object", "no JSON", "a wrong value"]
)
def test_a_configuration_file_that_cannot_be_used_exits_with_3(exit_of, tmp_path, written):
    (tmp_path / "score.py").write_text(GOOD)
    (tmp_path / "config.json").write_text(written)

    code, said = exit_of("--entry_script", "score.py")

    assert code == 3
    assert "config.json" in said or "WORKER_COUNT" in said


def test_the_variables_a_script_reads_are_set(serving):
    script = """
        import os

        def init(): ...

        def run(d):
            return [os.environ[n] for n in ("SERVER_PORT", "HEALTH_PORT", "AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT")]
    """
    with serving(script, SERVER_PORT="1", HEALTH_PORT="2", AZUREML_APP_ROOT="/not/read") as server:
        port, health, root, entry = server.score().json

    assert (port, health) == ("0", "0"), "values from outside count"
    assert root == str(server.log.parent)
    assert entry.endswith("score.py")


def test_the_log_is_as_logging_json_says(serving, tmp_path):
    config = {
        "version": 1,
        "formatters": {"own": {"format": "OWN %(message)s"}},
        "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
        "root": {"level": "INFO", "handlers": ["own"]},
    }
    (tmp_path / "logging.json").write_text(json.dumps(config))

    with serving(GOOD) as server:
        server.score()
        server.ask("GET", "/")
        server.terminate()
        assert server.process.wait(60) == 0
    said = server.log.read_text()

    assert "OWN POST /score 200 " in said
    assert "GET / 200" not in said


def test_a_logging_json_that_cannot_be_used_exits_with_3(exit_of, tmp_path):
    (tmp_path / "score.py").write_text(GOOD)
    (tmp_path / "logging.json").write_text('{"version": 1, "root": {"handlers": ["nowhere"]}}')

    code, said = exit_of("--entry_script", "score.py")

    assert code == 3
    assert "logging.json" in said


def test_a_debugger_that_cannot_be_had_is_a_reason(exit_of, tmp_path):
    (tmp_path / "score.py").write_text(GOOD)
    (tmp_path / "debugpy.py").write_text("raise ImportError")

    code, said = exit_of("--entry_script", "score.py", AZUREML_DEBUG_PORT="5678", PYTHONSAFEPATH="")

    assert code == 3
    assert "debugpy" in said


def test_the_health_port_answers_health_and_nothing_else(serving, tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(GOOD, "--health_port", str(port), SEPERATE_HEALTH_ENDPOINT="true") as server:
        server.port = port
        assert server.ask("GET", "/").body == b"Healthy"
        assert server.score().status == 404


def test_the_application_root_holds_the_script_and_its_modules(exit_of, serving, tmp_path):
    root = tmp_path / "root"
    (root / "source").mkdir(parents=True)
    (root / "source" / "beside.py").write_text("WORD = 'found'")
    (root / "entry.py").write_text("import beside\ndef init(): ...\ndef run(d): return beside.WORD")
    (root / "main.py").write_text(GOOD)

    with serving(
        "", "--entry_script", "entry.py", AML_APP_ROOT=str(root), AZUREML_SOURCE_DIRECTORY="source"
    ) as one:
        assert one.score().json == "found"
