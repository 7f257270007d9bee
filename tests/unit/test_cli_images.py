"""What does a person see of `edgetender images`, `pull`, `run` and `registry` where there is nothing yet?"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.packaging import Workspace, oci_layout
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.logins import Login
from edgetender.secret import Secret
from tests.builders import packages


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "ws"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")

    def asked(*words):
        code = run([*map(str, words)], Session(now=lambda: datetime.now(UTC) + timedelta(minutes=2)))
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return asked


def test_before_the_first_there_is_none_and_each_says_so(ask):
    assert ask("images")[2].startswith("no image is here yet")
    code, _, err = ask("registry", "show", "--query", "containerRegistry")
    assert (code, "there is none yet" in err) == (4, True)
    code, _, err = ask("pull", "package:1", "--no-engine")
    assert (code, "none is here yet" in err) == (4, True)


def test_images_are_listed_as_docker_lists_them(ask, tmp_path):
    ws = Workspace()
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    with ws.images.making("reg.example:5000/team/package:20190822181338") as place:
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    code, out, _ = ask("images")
    head, row = out.splitlines()

    assert code == 0
    assert head.split("  ")[0] == "REPOSITORY"
    assert row.split()[:2] == ["reg.example:5000/team/package", "20190822181338"]
    assert " ago  " in row
    (one,) = json.loads(ask("images", "-o", "json")[1])["images"]
    assert one["id"].startswith("sha256:")
    assert row.split()[2] == one["id"][7:19]


def test_what_cannot_be_pushed_says_what_would(ask, tmp_path):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    with Workspace().images.making("mine:1") as place:
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    code, _, err = ask("push", "mine:1")
    assert (code, "edgetender image push mine:1 REGISTRY/mine:1" in err) == (6, True)
    code, _, err = ask("push", tmp_path / "manifest.yaml")
    assert (code, "manifest.yaml: there is no such file" in err) == (4, True)
    code, _, err = ask("image", "push", "mine:1", "other:1")
    assert (code, "NAME: 'other:1' names no registry" in err) == (6, True)


@pytest.mark.parametrize(
    "words", [("pull", "reg.example/x:1"), ("build", ".", "--image", "x:1"), ("image", "check", "x:1"), ("package", "m")]
)  # fmt: skip
@pytest.mark.parametrize("platform", ["arm64", "windows/amd64", "linux/"])
def test_a_platform_that_is_none_is_a_slip_of_the_command_line(ask, words, platform):
    code, _, err = ask(*words, "--platform", platform)
    assert (code, "is no platform; write it like linux/arm64" in err) == (2, True)


@pytest.mark.parametrize("name", ["Upper:1", "a:b:c", "x_:1", f"x@sha256:{'0' * 64}"])
def test_a_name_no_registry_takes_is_refused_before_anything_is_made(ask, tmp_path, name):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    code, _, err = ask("build", tmp_path, "--image", name)
    assert (code, err.startswith("--image: ")) == (6, True)
    code, _, err = ask("package", "--entry-script", "score.py", "--tag", name)
    assert (code, "--tag: " in err) == (6, True)
    assert Workspace().images.list() == ()


def test_without_an_engine_run_says_how_to_name_one(ask):
    code, _, err = ask("run", "package:1", "-p", "6789:5001")
    assert (code, "start one, or name it by DOCKER_HOST" in err) == (1, True)
    assert ask("run", "package:1", "-p", "6789", "-p", "99999:1")[0] == 6


def test_the_first_login_is_the_workspaces_registry_and_passwords_are_not_shown(ask):
    logins = Workspace().logins
    logins.keep(Login("one.example", "me", Secret("hush")))
    logins.keep(Login("two.example:5000"))

    assert ask("registry", "show", "--query", "containerRegistry")[1] == '"one.example"\n'
    assert "hush" not in "".join(map(str, ask("registry", "show", "-o", "json")))
    logins.keep(Login("two.example:5000"), default=True)
    assert json.loads(ask("registry", "show", "-o", "json")[1])["containerRegistry"] == "two.example:5000"
    assert ask("registry", "show", "--name", "three.example")[0] == 4
    assert ask("registry", "login", "--name", "x.example", "--username", "me")[0] == 6
