"""Which credential files are used, and what is said of those that are not."""

from __future__ import annotations

import json
import os
import re
import traceback
from pathlib import Path

import pytest

from edgetender.errors import CredentialUnusable
from edgetender.model.image import Credential
from edgetender.secret import Secret
from edgetender.trust.credentials import CredentialFiles
from edgetender.trust.received import ReceivedCredentials

CANARY = "canary-41c0ffee"


def write(path: Path, text: str | None = None, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"username": "line3", "password": CANARY}) if text is None else text)
    path.chmod(mode)
    return path


def files(tmp_path: Path, **arguments: object) -> CredentialFiles:
    return CredentialFiles(tmp_path, **({"systemd_directory": None} | arguments))


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_is_used(tmp_path, mode):
    write(tmp_path / "hub", mode=mode)
    credential = files(tmp_path).get("hub")
    assert (credential.username, credential.password.reveal()) == ("line3", CANARY)
    assert CANARY not in repr(credential)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_laxer_mode_is_refused_with_the_command_that_repairs_it(tmp_path, mode):
    path = write(tmp_path / "hub", mode=mode)
    with pytest.raises(CredentialUnusable, match=f"chmod 600 {path}"):
        files(tmp_path).get("hub")
    path.chmod(0o600)
    assert files(tmp_path).get("hub").username == "line3"


def test_what_came_with_a_deployment_counts_where_the_owner_put_nothing(tmp_path):
    received = ReceivedCredentials(tmp_path / "received")
    both = files(tmp_path, received=tmp_path / "received")
    received.keep(Credential("their", Secret("old"), "hub"))
    received.keep(Credential("their", Secret("theirs"), "hub"))
    assert (both.get("hub").username, both.get("hub").password.reveal()) == ("their", "theirs")
    assert (tmp_path / "received").stat().st_mode & 0o077 == 0
    assert [one.name for one in (tmp_path / "received").iterdir()] == ["hub"]
    write(tmp_path / "hub")
    assert both.get("hub").username == "line3"


@pytest.mark.parametrize("name", ["", "..", "a/b", "../hub"])
def test_a_name_that_is_none_leads_out_of_no_folder(tmp_path, name):
    ReceivedCredentials(tmp_path / "received").keep(Credential("their", Secret("theirs"), name))
    assert not (tmp_path / "received").exists()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_kept_is_said_without_it(tmp_path):
    (tmp_path / "received").touch()
    with pytest.raises(CredentialUnusable, match="cannot keep") as error:
        ReceivedCredentials(tmp_path / "received").keep(Credential("their", Secret(CANARY), "hub"))
    assert CANARY not in "".join(traceback.format_exception(error.value))


def test_what_systemd_hands_out_comes_first(tmp_path):
    write(tmp_path / "hub", '{"username": "old", "password": "x"}')
    write(tmp_path / "systemd" / "hub", mode=0o440)
    both = files(tmp_path, systemd_directory=tmp_path / "systemd")
    assert both.get("hub").username == "line3"
    (tmp_path / "systemd" / "hub").unlink()
    assert both.get("hub").username == "old"


def test_a_file_of_a_stranger_is_refused_with_the_command_that_repairs_it(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root: run the tests as root")
    path = write(tmp_path / "hub")
    os.chown(path, 54321, -1)
    with pytest.raises(CredentialUnusable, match=rf"belongs to 54321; run: chown root {path}"):
        files(tmp_path).get("hub")
    assert files(tmp_path, uid=54321).get("hub").username == "line3"


def test_a_link_a_directory_and_a_fifo_are_refused_at_once(tmp_path):
    write(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, why in (("link", "symbolic link"), ("folder", "no regular file"), ("fifo", "no regular file")):
        with pytest.raises(CredentialUnusable, match=why):
            files(tmp_path).get(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../hub", "a/b", "/etc/passwd", ".hidden", "a\0b", "a\n", "x" * 65]
)
def test_a_name_cannot_leave_the_directory(tmp_path, name):
    with pytest.raises(CredentialUnusable, match="a name is"):
        files(tmp_path / "below").get(name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CredentialUnusable, match=f"{tmp_path}/hub is missing; .*chmod 600"):
        files(tmp_path).get("hub")


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f'{{"username": "u", "password": "{CANARY}"',
        f'["{CANARY}"]',
        f'{{"username": "u", "password": "{CANARY}", "{CANARY}": 1}}',
        f'{{"username": "{CANARY}", "password": ""}}',
        f'{{"username": 1, "password": "{CANARY}"}}',
        f'{{"username": "a:b", "password": "{CANARY}"}}',
        f'{{"kind": "{CANARY}"}}',
        f'{{"kind": ["{CANARY}"]}}',
        f'{{"kind": "acr", "client_secret": "{CANARY}"}}',
        f'{{"kind": "acr", "identity": "managed", "client_secret": "{CANARY}"}}',
        f'{{"kind": "acr", "identity": "{CANARY}"}}',
        f'{{"kind": "acr", "tenant": "a/../{CANARY}", "client_id": "c", "client_secret": "{CANARY}"}}',
        f'{{"kind": "acr", "tenant": "t", "client_id": 1, "client_secret": "{CANARY}"}}',
        f'{{"kind": "acr", "tenant": "t", "client_id": "c", "client_secret": "{CANARY}\\n"}}',
        f'{{"kind": "oauth2", "token_url": "http://{CANARY}/", "client_id": "c", "client_secret": "{CANARY}"}}',
        f'{{"kind": "oauth2", "token_url": "https://u:{CANARY}@h/", "client_id": "c", "client_secret": "{CANARY}"}}',
        f'{{"kind": "oauth2", "token_url": "https://[{CANARY}", "client_id": "c", "client_secret": "{CANARY}"}}',
        f'{{"kind": "helper", "helper": "../{CANARY}"}}',
        f'{{"kind": "helper", "helper": "ecr-login", "password": "{CANARY}"}}',
        "[" * 60_000,
        CANARY * 10_000,
    ],
)
def test_a_file_that_is_no_credential_is_refused_and_not_quoted(tmp_path, text):
    write(tmp_path / "hub", text)
    with pytest.raises(CredentialUnusable) as caught:
        files(tmp_path).get("hub")
    error: BaseException | None = caught.value
    assert CANARY not in "".join(traceback.format_exception(error))
    while error is not None:
        assert CANARY not in repr(vars(error))
        assert CANARY not in str(getattr(error, "doc", ""))
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"kind": "ecr"}, "its kind is none of acr, oauth2, helper; docs/how-to/private-registry.md"),
        ({"kind": "acr", "tenant": "t"}, "acr needs client_id, client_secret too"),
        ({"kind": "helper", "helper": "gcr", "a": "b", "c": "d"}, "helper has 2 keys too many"),
        ({"kind": "helper", "helper": ""}, "helper must be a text of one line that is not empty"),
        (
            {"kind": "oauth2", "token_url": "http://h/", "client_id": "c", "client_secret": "s"},
            "the address that is sent a secret must begin with https://",
        ),
    ],
)
def test_a_way_to_get_a_token_that_is_none_says_what_is_wrong_with_it(tmp_path, said, says):
    write(tmp_path / "hub", json.dumps(said))
    with pytest.raises(CredentialUnusable, match=re.escape(says)):
        files(tmp_path).said("hub")


def test_each_kind_that_the_how_to_shows_is_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs/how-to/private-registry.md").read_text()
    shown = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for text in shown:
        write(tmp_path / "hub", text.replace("…", "x"))
        files(tmp_path).said("hub")
    assert [json.loads(text)["kind"] for text in shown] == ["acr", "acr", "oauth2", "helper"]


def test_a_way_to_get_a_token_is_no_password(tmp_path):
    write(tmp_path / "hub", json.dumps({"kind": "acr", "identity": "managed"}))
    with pytest.raises(CredentialUnusable, match="put username and password there"):
        files(tmp_path).get("hub")


def test_bytes_that_are_no_utf8_are_refused(tmp_path):
    write(tmp_path / "hub").write_bytes(b'{"username": "\xff"}')
    with pytest.raises(CredentialUnusable, match="no JSON object"):
        files(tmp_path).get("hub")
