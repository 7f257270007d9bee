"""Credential helpers of Docker's, by the protocol of docker-credential-helpers; and what Docker itself wrote down."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.waiting import until
from edgetender.engine.pull import _auth_header
from edgetender.errors import AgentError, CredentialUnusable, RegistryDenied, RegistryUnreachable
from edgetender.model.image import TOKEN_USER, Credential, parse_reference
from edgetender.packaging.docker_logins import docker_folder, docker_login
from edgetender.packaging.logins import Login, Logins
from edgetender.registry.issuers import Issuers
from edgetender.registry.login_program import ask_helper
from edgetender.registry.short_lived import ShortLived
from edgetender.secret import Secret
from edgetender.trust.credentials import CredentialFiles
from tests.fakes.clock import FakeClock

CANARY = "canary-7d1f"
KNOWS = {"registry.example": ("AWS", CANARY), "tokens.example": (TOKEN_USER, CANARY)}
PROGRAM = f"""#!{sys.executable}
import json, os, sys
at = os.path.dirname(__file__)
asked = sys.stdin.read()
json.dump([sys.argv[1:], asked, dict(os.environ)], open(at + "/asked.json", "w"))
known = {KNOWS!r}.get(asked)
if known is None:
    print("credentials not found in native keychain")
    sys.exit(1)
json.dump({{"ServerURL": asked, "Username": known[0], "Secret": known[1]}}, sys.stdout)
"""


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """In whatever happens here nothing secret is logged, at DEBUG, by anybody."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert CANARY not in caplog.text


def install(folder: Path, text: str = PROGRAM, name: str = "docker-credential-fake") -> str:
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return str(folder)


def shell(folder: Path, script: str) -> str:
    return install(folder, f"#!/bin/sh\n{script}\n")


def refused(folder: str, registry: str = "registry.example", **more: Any) -> AgentError:
    with pytest.raises(AgentError) as caught:
        ask_helper("fake", registry, (folder,), **more)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_a_helper_is_asked_for_the_registry_and_sees_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGETENDER_REGISTRY_PASSWORD", "x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/x")
    monkeypatch.setenv("AWS_PROFILE", "line3")
    user, password = ask_helper("fake", "registry.example", (install(tmp_path),))
    assert (user, password.reveal()) == ("AWS", CANARY)
    arguments, asked, environment = json.loads((tmp_path / "asked.json").read_text())
    assert (arguments, asked, environment["AWS_PROFILE"]) == (["get"], "registry.example", "line3")
    assert not {"EDGETENDER_REGISTRY_PASSWORD", "CREDENTIALS_DIRECTORY"} & environment.keys()


def test_a_device_asks_it_each_time_since_it_keeps_tokens_itself(tmp_path: Path) -> None:
    file = tmp_path / "reg"
    file.write_text('{"kind": "helper", "helper": "fake"}')
    file.chmod(0o600)
    files = CredentialFiles(tmp_path, systemd_directory=None)
    device = ShortLived(files, Issuers({}, helpers=(install(tmp_path),)), FakeClock())
    assert device.get("reg", "registry.example") == Credential("AWS", Secret(CANARY), "reg")
    (tmp_path / "asked.json").unlink()
    device.get("reg", "registry.example")
    assert (tmp_path / "asked.json").exists()


def test_the_engine_is_given_an_identity_token_as_one() -> None:
    def given(username: str) -> dict[str, str]:
        header = _auth_header(
            parse_reference("registry.example/a:1"), Credential(username, Secret(CANARY), "")
        )
        found: dict[str, str] = json.loads(base64.urlsafe_b64decode(header))
        return found

    where = {"serveraddress": "registry.example"}
    assert given("AWS") == where | {"username": "AWS", "password": CANARY}
    assert given(TOKEN_USER) == where | {"identitytoken": CANARY}


def test_one_that_knows_nothing_there_is_a_refusal(tmp_path: Path) -> None:
    error = refused(install(tmp_path), "other.example")
    assert isinstance(error, RegistryDenied)
    assert "docker-credential-fake: it has none" in str(error)


@pytest.mark.parametrize("path", ["", ".", "relative/bin", "/nowhere"])
def test_one_is_looked_for_in_absolute_folders_alone(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "relative" / "bin").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    install(tmp_path)
    install(tmp_path / "relative" / "bin")
    error = refused(path)
    assert isinstance(error, CredentialUnusable)
    assert "there is no such program" in str(error)
    assert not list(tmp_path.rglob("asked.json"))


@pytest.mark.parametrize("name", ["../fake", "fake;true", "", "fake get", "-x", "/bin/sh"])
def test_a_name_is_a_program_s_and_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(CredentialUnusable, match="no such program"):
        ask_helper(name, "registry.example", (install(tmp_path),))


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        (f"echo {CANARY}; echo {CANARY} >&2; exit 3", RegistryUnreachable, "it ended with 3; try by hand"),
        (f"echo {CANARY}", RegistryUnreachable, "holds no Username and Secret"),
        (f'echo \'{{"Username": "", "Secret": "{CANARY}"}}\'', RegistryUnreachable, "holds no Username"),
        (f'echo \'{{"Username": "a:b", "Secret": "{CANARY}"}}\'', RegistryUnreachable, "holds no Username"),
        (f"yes {CANARY} | head -c 200000", RegistryUnreachable, "holds no Username"),
    ],
)
def test_one_that_fails_says_so_and_its_words_are_not_repeated(
    tmp_path: Path, script: str, kind: type[AgentError], says: str
) -> None:
    error = refused(shell(tmp_path, script))
    assert type(error) is kind
    assert says in str(error)


def test_one_that_is_no_program_is_named(tmp_path: Path) -> None:
    assert "docker-credential-fake" in str(refused(install(tmp_path, "\0")))


def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    folder = shell(tmp_path, f"sleep 3600 & echo $! > {tmp_path}/child; wait")
    for deadline_s in (0.5, 4, 32):  # a busy machine may take longer than the first to start it
        error = refused(folder, deadline_s=deadline_s)
        assert isinstance(error, RegistryUnreachable)
        assert f"no answer in {deadline_s:g} s; it was ended" in str(error)
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            break
    child = int((tmp_path / "child").read_text())
    until(lambda: _is_gone(child), "the end of its child")


def _is_gone(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


# --- what Docker knows


def docker(folder: Path, **said: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(said))
    return folder


def basic(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{CANARY}".encode()).decode()}


def test_dockers_own_login_counts_where_none_was_kept(tmp_path: Path) -> None:
    folder = docker(
        tmp_path, auths={"registry.example": basic("ann"), "https://old.example/v1/": basic("bob")}
    )
    before = (tmp_path / "config.json").read_bytes()
    assert docker_login("registry.example", folder) == Credential("ann", Secret(CANARY))
    assert docker_login("old.example", folder) == Credential("bob", Secret(CANARY))
    assert docker_login("other.example", folder) is None
    assert (tmp_path / "config.json").read_bytes() == before

    logins = Logins(tmp_path / "registries.json", folder)
    assert logins.get("registry.example").docker == folder
    logins.keep(Login("registry.example", plain_http=True))
    assert logins.get("registry.example").docker == folder
    assert CANARY not in (tmp_path / "registries.json").read_text()


def test_dockers_hub_is_known_by_the_name_that_docker_has_for_it(tmp_path: Path) -> None:
    folder = docker(tmp_path, auths={"https://index.docker.io/v1/": basic("ann")})
    assert docker_login("docker.io", folder) == Credential("ann", Secret(CANARY))


def test_an_identity_token_in_it_is_one(tmp_path: Path) -> None:
    entry = basic("00000000-0000-0000-0000-000000000000") | {"identitytoken": CANARY}
    folder = docker(tmp_path, auths={"registry.example": entry})
    assert docker_login("registry.example", folder) == Credential(TOKEN_USER, Secret(CANARY))


def test_a_registrys_helper_comes_before_that_of_all_and_that_before_what_is_written(tmp_path: Path) -> None:
    path = f"relative{os.pathsep}{install(tmp_path)}"
    written = {"registry.example": basic("ann")}
    for said in ({"credsStore": "fake"}, {"credHelpers": {"registry.example": "fake"}, "credsStore": "none"}):
        folder = docker(tmp_path, auths=written, **said)
        assert docker_login("registry.example", folder, path) == Credential("AWS", Secret(CANARY))
    assert docker_login("public.example", docker(tmp_path, credsStore="fake"), path) is None


def test_a_helper_that_does_not_work_is_said_and_leaves_public_registries_alone(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    assert docker_login("registry.example", docker(tmp_path, credsStore="desktop"), "/nowhere") is None
    assert "cannot ask docker-credential-desktop for a login at registry.example" in log.text


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"auths": [1]}', '{"auths": {"r": {"auth": "%"}}}', "[" * 99_999]
)
def test_what_is_no_configuration_of_dockers_is_no_login(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    assert docker_login("r", tmp_path) is None
    assert docker_login("r", tmp_path / "missing") is None


def test_its_folder_is_where_docker_looks_for_it() -> None:
    assert docker_folder({"HOME": "/home/ann"}) == Path("/home/ann/.docker")
    assert docker_folder({"HOME": "/home/ann", "DOCKER_CONFIG": "/x"}) == Path("/x")
