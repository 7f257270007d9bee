"""What people get wrong: does each slip end with one sentence that names the place, and leave nothing behind?"""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import ConfigInvalid
from edgetender.packaging import InferenceConfig
from edgetender.packaging.layer import tree
from edgetender.packaging.model_store import from_path
from edgetender.packaging.writer import why_not_written
from tests.builders.packages import SCRIPT


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    Path("score.py").write_text(SCRIPT)
    Path("weights.bin").write_bytes(b"w")

    def asked(*words):
        code = run([*map(str, words)], Session())
        return int(code), capsys.readouterr().err

    return asked


def packaging(ask, model="weights.bin", *words):
    code, said = ask(
        "package", model, "--entry-script", "score.py", "--base", "oci:none", "-t", "x:1", *words
    )
    return code, said.partition("builder direct\n")[2] or said


def test_a_link_that_leads_to_itself_is_named(ask):
    Path("source").mkdir()
    Path("source/score.py").write_text(SCRIPT)
    Path("model").mkdir()
    Path("model/self").symlink_to("self")
    Path("model/weights").write_text("w")
    Path("round").symlink_to("round")

    code, said = ask("package", "model", "--entry-script", "score.py", "--base", "oci:none", "-t", "x:1")
    assert (code, said) == (6, "model/self: is a link that leads to itself [path.unpackable]\n")
    code, said = packaging(ask, "round")
    assert (code, "cannot find the model round: it is a link that leads nowhere" in said) == (4, True)
    code, said = packaging(ask, "weights.bin", "--source-dir", "source", "--output", "round")
    assert (code, "Traceback" in said) == (4, False)


def test_all_that_cannot_be_packed_is_named_at_once_with_what_else_is_wrong(ask):
    Path("source/a").mkdir(parents=True)
    Path("source/score.py").write_text(SCRIPT)
    Path("model").mkdir()
    for place in ("source/a/self", "source/self", "model/self", "model/selves"):
        Path(place).symlink_to(Path(place).name)
    Path("source/out").symlink_to("/etc/hostname")
    os.mkfifo("source/pipe")

    code, said = packaging(ask, "model", "--source-dir", "source", "--conda", "none.yml")
    source = Path("source").absolute()
    assert code == 6
    assert {
        line.removesuffix(" [path.unpackable]") for line in said.splitlines() if "unpackable" in line
    } == {
        "model/self: is a link that leads to itself",
        "model/selves: is a link that leads to itself",
        f"{source}/a/self: is a link that leads to itself",
        f"{source}/self: is a link that leads to itself",
        f"{source}/out: is a link that leads out of {source}",
        f"{source}/pipe: is neither file, directory nor link",
    }
    assert "condaFile: " in said


@pytest.mark.parametrize("content", [{}, {"weights": b""}])
def test_a_model_without_a_byte_is_none(ask, content):
    Path("model").mkdir()
    for name, body in content.items():
        Path("model", name).write_bytes(body)
    assert packaging(ask, "model") == (6, "model: is empty [model.empty]\n")
    code, said = ask("model", "register", "model", "--name", "m")
    assert (code, "is empty" in said) == (6, True)
    assert not Path("store").exists()


def test_a_pointer_of_git_lfs_is_told_from_the_model_it_stands_for(ask):
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    Path("model/weights").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    text = "model/weights: is a pointer of Git LFS, not the file; run: git lfs pull [model.pointer]\n"
    assert packaging(ask, "model") == (6, text)


def test_a_name_that_a_file_has_and_a_model_cannot_says_how_to_give_another(ask):
    Path("my model.bin").write_bytes(b"w")
    code, said = packaging(ask, "my model.bin")
    assert (code, "give another with --name" in said) == (6, True)


@pytest.mark.parametrize(
    "line", ["git+https://me:token@git.example/a.git", "a @ git+ssh://git.example/a", "a[b] @ hg+https://x/y"]
)
def test_source_of_others_is_refused_before_anything_is_fetched(ask, line):
    Path("env.yml").write_text(f"dependencies:\n  - pip:\n    - numpy\n    - {line}\n")
    Path("req.txt").write_text(f"{line}\n-e .\n")

    code, said = packaging(ask, "weights.bin", "--conda", "env.yml")
    assert (code, "condaFile:pip[1]" in said, "is source, which is not built here" in said) == (6, True, True)
    assert "token" not in said


def test_a_mark_at_a_file_s_beginning_is_no_part_of_what_it_says(tmp_path):
    from edgetender.packaging.environment import from_requirements

    path = tmp_path / "requirements.txt"
    path.write_bytes(b"\xef\xbb\xbfnumpy\r\n# why\r\n\r\nscipy\r\n")
    assert from_requirements(path).requirements == ("numpy", "scipy")


def test_yaml_that_is_none_is_told_in_one_line_with_its_number(ask):
    Path("env.yml").write_text("dependencies:\n  - [pip\n")
    code, said = packaging(ask, "weights.bin", "--conda", "env.yml")
    assert (code, said.count("\n"), said.startswith("condaFile:3: no YAML: ")) == (6, 1, True)


def test_a_configuration_that_is_not_there_is_told_from_one_that_is_no_json(ask):
    Path("folder").mkdir()
    for path, why in (("none.json", "there is no such file"), ("folder", "is a directory, no file")):
        code, said = ask("package", "weights.bin", "--ic", path, "-t", "x:1")
        assert (code, said) == (6, f"{path}: {why} [path.missing]\n")


def test_a_slip_in_a_key_is_told_with_the_faults_it_may_have_caused(ask):
    Path("ic.json").write_text('{"entryScirpt": "score.py", "condaFile": "none.yml"}')
    code, said = ask("package", "weights.bin", "--ic", "ic.json", "-t", "x:1")
    assert code == 6
    assert "none.yml is no file" in said
    assert "entryScirpt: is no known key and is not used; is entryScript meant? [key.unknown]" in said


def test_a_place_that_cannot_be_written_is_named_and_a_full_disk_says_whose(ask):
    Path("file").write_text("")
    code, said = packaging(ask, "weights.bin", "--store", "file/store")
    assert (code, said) == (1, "cannot package x:1: file/store: Not a directory\n")
    code, said = ask("model", "register", "weights.bin", "--name", "m", "--store", "file/store")
    assert (code, said) == (1, "cannot register m: file/store: Not a directory\n")
    full = OSError(errno.ENOSPC, "No space left on device")
    assert why_not_written(full, Path("store")).startswith("the disk of store is full; make room")


@contextmanager
def as_nobody():
    """Root reads everything; these tests are often root's."""
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(65534)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)


def test_what_may_not_be_read_is_named_and_nothing_is_left_out_in_silence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    for folder in ("model/private", "model/secret"):
        Path(folder).mkdir(parents=True)
        Path(folder).chmod(0)
    for name in ("score.py", "weights.bin", "model/weights.bin", "model/more.bin"):
        Path(name).write_text(SCRIPT)
        Path(name).chmod(0)
    Path("model/weights.bin").chmod(0o644)
    unread = [
        f"model/{name}: cannot be read: Permission denied" for name in ("more.bin", "private", "secret")
    ]
    with as_nobody():
        for walked in (lambda: list(tree(Path("model"), "at")), lambda: from_path(Path("model"), "m")):
            with pytest.raises(ConfigInvalid) as refused:
                walked()
            assert [str(one) for one in refused.value.problems] == unread
        with pytest.raises(ConfigInvalid, match=r"weights.bin: cannot be read: Permission denied"):
            from_path(Path("weights.bin"), "m")
        found = InferenceConfig(entry_script="score.py", requirements_file="score.py").problems()
        assert [str(one) for one in found] == ["entryScript: score.py: Permission denied"]


def test_a_missing_model_is_told_with_the_other_faults_and_alone_it_is_not_found(ask):
    code, said = packaging(ask, "none.bin", "--conda", "none.yml", "--push")
    assert code == 6
    for word in ("MODEL: cannot find the model 'none.bin'", "condaFile: none.yml is no file"):
        assert word in said
    assert packaging(ask, "none.bin")[0] == 4
    code, said = packaging(ask, "weights.bin", "--framework", "sklern", "--conda", "none.yml")
    assert (code, "'sklern' is not one of" in said, "none.yml is no file" in said) == (6, True, True)


def test_a_sample_for_a_script_is_refused_and_not_forgotten(ask):
    Path("request.json").write_text("{}")
    code, said = packaging(ask, "weights.bin", "--sample", "request.json")
    assert (code, "--sample: goes with an Onnx model without an entry script" in said) == (6, True)


def test_a_build_without_a_directory_says_so(ask):
    assert ask("build", "none", "--image", "x:1") == (4, "cannot build none: there is no such directory\n")
