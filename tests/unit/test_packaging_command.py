"""What does a person see of `edgetender package`: progress, figures, and every fault with its key?"""

import json

import pytest

from edgetender.packaging import ModelStore
from edgetender.packaging.base_image import from_rootfs
from tests.builders import packages
from tests.builders.shell import Shell


@pytest.fixture
def words(tmp_path):
    """The command's words for a packaging that succeeds."""
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w")
    return [
        str(tmp_path / "weights.bin"), "--name", "diabetes", "--entry-script", "score.py",
        "--source-dir", str(tmp_path), "--base", f"oci:{tmp_path / 'base'}", "--output", f"oci:{tmp_path / 'image'}",
        "--store", str(tmp_path / "store"), "--server-source", str(packages.server_source(tmp_path)),
    ]  # fmt: skip


@pytest.fixture
def run(capsys):
    return lambda words: Shell(capsys).run("package", *words)


def without(words, option):
    at = words.index(option)
    return words[:at] + words[at + 2 :]


def test_the_answer_in_json_has_digest_and_layers_and_nothing_else_is_on_stdout(run, words, tmp_path):
    words = [*without(words, "--source-dir"), "-o", "json"]
    words[words.index("score.py")] = str(tmp_path / "score.py")
    first, second = run(words), run(words)

    assert first.code == 0, first.err
    answer, again = json.loads(first.out), json.loads(second.out)
    assert answer["digest"] == again["digest"]
    assert [one["kind"] for one in answer["layers"]] == ["base", "server", "application", "model"]
    assert answer["sizeBytes"] == sum(one["sizeBytes"] for one in answer["layers"])
    assert all(one["reused"] for one in again["layers"])
    assert "server layer built" in first.err
    assert "server layer reused" in second.err


def test_the_table_shows_each_layer(run, words, tmp_path):
    words = without(words, "--source-dir")
    words[words.index("score.py")] = str(tmp_path / "score.py")
    done = run(words)

    assert done.code == 0, done.err
    assert done.out.startswith("sha256:")
    assert [line.split()[0] for line in done.out.splitlines()[3:]] == [
        "base",
        "server",
        "application",
        "model",
    ]


def test_a_registered_model_is_named_by_name_and_version(run, words, tmp_path):
    ModelStore(tmp_path / "store" / "models").register(tmp_path / "weights.bin", "kept")
    words = without(without(words, "--name"), "--source-dir")
    words[words.index("score.py")] = str(tmp_path / "score.py")

    assert run(["kept:1", *words[1:]]).code == 0
    missing = run(["kept:2", *words[1:]])
    assert (missing.code, missing.out) == (4, "")
    assert "its versions are 1" in missing.err


def test_every_fault_is_a_line_with_its_key(run, words):
    words = [*words, "--conda", "missing.yml"]
    words[words.index("score.py")] = "missing.py"
    done = run(words)

    assert (done.code, done.out) == (6, "")
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["entryScript", "condaFile"]


def test_the_folder_one_is_in_is_a_model_of_its_name(run, words, tmp_path, monkeypatch):
    folder = tmp_path / "digits"
    folder.mkdir()
    (tmp_path / "weights.bin").rename(folder / "weights.bin")
    monkeypatch.chdir(folder)
    words[words.index("score.py")] = str(tmp_path / "score.py")
    done = run([".", *without(without(words, "--name"), "--source-dir")[1:]])
    assert done.code == 0, done.err


@pytest.mark.parametrize("name", ["./modell.onnx", "modell.onnx"])
def test_a_model_that_is_neither_a_file_nor_registered_is_said_to_be_neither(run, words, name):
    done = run([name, *without(words, "--name")[1:]])
    assert (done.code, "there is no such file" in done.err) == (4, True)


def test_the_configuration_file_gives_way_to_the_command_line(run, words, tmp_path):
    (tmp_path / "ic.json").write_text(json.dumps({"entryScript": "wrong.py", "typo": 1}))
    words = [*without(words, "--source-dir"), "--ic", str(tmp_path / "ic.json")]
    done = run(words)

    assert done.code == 0, done.err
    assert "warning: typo: is no known key" in done.err


def test_push_needs_a_reference(run, words):
    done = run([*words, "--push"])

    assert done.code == 6
    assert "--tag: is required by --push" in done.err


def test_what_is_made_may_not_lie_among_what_is_packed(run, words):
    done = run(words)

    assert (done.code, "name a place outside of it" in done.err) == (6, True)


def test_the_dockerfile_kind_is_a_folder_to_build(run, words, tmp_path):
    words = without(words, "--source-dir")
    words[words.index("score.py")] = str(tmp_path / "score.py")
    words[words.index("--output") + 1] = str(tmp_path / "imagefiles")
    done = run([*words, "--generate-dockerfile", "-t", "mine:1"])

    assert done.code == 0, done.err
    assert "next: docker build --tag mine:1" in done.out
    assert (tmp_path / "imagefiles/azureml-app/azureml-models/diabetes/1/weights.bin").is_file()


def test_without_an_output_the_image_goes_to_the_store_under_its_reference(run, words, tmp_path):
    words = without(without(words, "--source-dir"), "--output")
    words[words.index("score.py")] = str(tmp_path / "score.py")
    done = run([*words, "-o", "json"])

    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["tag"].startswith("package:20")
    assert (tmp_path / "store/images" / answer["tag"].replace(":", "%3A") / "oci-layout").is_file()
