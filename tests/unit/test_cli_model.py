"""What does a person see of `edgetender model`?"""

import json
from datetime import UTC, datetime

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Run `edgetender model …` on a store of its own; (exit code, stdout, stderr)."""
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "store"))
    (tmp_path / "weights.bin").write_bytes(b"one")

    def asked(*words):
        code = run(["model", *map(str, words)], Session(now=lambda: NOW))
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return asked


def test_before_the_first_model_the_list_says_none_yet(ask, tmp_path):
    assert ask("list") == (
        0,
        "",
        "no model is registered yet; the first comes with: edgetender model register PATH --name NAME\n",
    )
    code, out, _ = ask("list", "-o", "json")
    assert (code, json.loads(out)["models"]) == (0, [])
    code, out, err = ask("show", "diabetes")
    assert (code, out) == (4, "")
    assert "none of that name is registered yet; register one first" in err
    assert not (tmp_path / "store").exists()


def test_a_registered_model_is_shown_with_all_that_was_said_of_it(ask, tmp_path):
    code, out, err = ask(
        "register", tmp_path / "weights.bin", "--name", "diabetes", "--tag", "area=health", "--framework", "scikit-learn",
        "--property", "derivedImageName=reg.example/train:7", "--description", "ridge", "-o", "json",
    )  # fmt: skip
    assert code == 0, err
    kept = json.loads(out)

    assert (kept["name"], kept["version"], kept["framework"]) == ("diabetes", 1, "ScikitLearn")
    assert (kept["tags"], kept["properties"]) == (
        {"area": "health"},
        {"derivedImageName": "reg.example/train:7"},
    )
    assert kept["createdTime"] == "2026-11-25T12:30:00Z"
    assert json.loads(ask("show", "diabetes", "-o", "json")[1]) == kept
    assert "derivedImageName=reg.example/train:7" in ask("show", "diabetes:1")[1]
    assert ask("list")[1].splitlines()[1].split() == [
        "diabetes", "1", "ScikitLearn", kept["sha256"][:12], "2026-11-25T12:30:00Z", "area=health",
    ]  # fmt: skip


def test_versions_count_up_by_themselves_and_a_taken_one_is_refused(ask, tmp_path):
    weights = tmp_path / "weights.bin"
    assert [
        ask("register", weights, "--name", "m", "--version", v)[0] for v in ("auto", "5", "auto", "5")
    ] == [0, 0, 0, 6]
    assert [one["version"] for one in json.loads(ask("list", "-o", "json")[1])["models"]] == [1, 5, 6]


def test_all_faults_of_the_command_line_are_named_at_once(ask, tmp_path):
    code, _, err = ask(
        "register",
        tmp_path / "weights.bin",
        "--name",
        "m",
        "--version",
        "0",
        "--tag",
        "nothing",
        "--tag",
        "a=1",
        "--tag",
        "a=2",
    )

    assert code == 6
    assert [line.split(":")[0] for line in err.splitlines()] == ["--version", "--tag", "--tag"]


def test_an_onnx_file_is_known_by_its_name(ask, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"n")
    assert (
        json.loads(ask("register", tmp_path / "net.onnx", "--name", "net", "-o", "json")[1])["framework"]
        == "Onnx"
    )
    assert ask("register", tmp_path / "net.onnx", "--name", "net", "--framework", "abacus")[0] == 6


def test_a_download_is_what_was_registered(ask, tmp_path):
    ask("register", tmp_path / "weights.bin", "--name", "m")
    code, out, _ = ask("download", "m:1", "--target-dir", tmp_path / "copy")

    assert (code, out.strip()) == (0, str(tmp_path / "copy/weights.bin"))
    assert (tmp_path / "copy/weights.bin").read_bytes() == b"one"
    code, _, err = ask("download", "m:1", "--target-dir", tmp_path / "copy")
    assert (code, "exists" in err) == (1, True)
    assert ask("download", "m", "--output", tmp_path / "copy", "--overwrite", "-o", "json")[0] == 0


def test_a_model_that_was_tampered_with_is_not_handed_out(ask, tmp_path):
    ask("register", tmp_path / "weights.bin", "--name", "m")
    (tmp_path / "store/models/m/1/files/weights.bin").write_bytes(b"two")

    code, _, err = ask("download", "m", "--target-dir", tmp_path / "copy")
    assert (code, "is not what was registered" in err) == (1, True)
    assert not (tmp_path / "copy/weights.bin").exists()
