"""What is said and which exit code, when the server cannot start? And what does it take from where?"""

import json

import pytest

GOOD = "def init(): ...\ndef run(data): return data\n"


@pytest.mark.parametrize(
    "flags", [("--nonsense",), ("--port", "x"), ()], ids=["unknown", "no number", "no script"]
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
