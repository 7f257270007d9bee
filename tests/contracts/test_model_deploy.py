"""`edgetender model deploy` with a real private registry and a real broker: does the device get what was pushed?"""

from __future__ import annotations

import json

import pytest

from edgetender.model.image import parse_reference
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.logins import Login
from edgetender.packaging.push import push
from edgetender.packaging.workspace import Workspace
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.shell import Shell
from tests.services.mqtt_listener import Listener

pytestmark = [pytest.mark.broker, pytest.mark.registry]


@pytest.fixture
def login(registry):
    name, password = next(iter(registry.users.items()))
    return Login(registry.host, name, Secret(password), registry.ca)


@pytest.fixture
def deploy(tmp_path, capsys, broker, registry, login, monkeypatch):
    """The documents' command, on a base out of a private registry that is no workspace's own."""
    monkeypatch.setenv("EDGETENDER_BROKER", f"mqtt://127.0.0.1:{broker.port}")
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    push(f"{registry.host}/base:1", tmp_path / "base", login)
    workspace = Workspace(tmp_path / "store")
    workspace.logins.keep(Login("workspace.example"), default=True)
    workspace.logins.keep(login)
    (tmp_path / "weights.bin").write_bytes(b"w")
    workspace.models.register(tmp_path / "weights.bin", "mymodel")
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    triple = {"address": registry.host, "username": login.username, "password": login.password.reveal()}
    ic = {"entryScript": "score.py", "baseImage": f"{registry.host}/base:1", "baseImageRegistry": triple}
    (tmp_path / "ic.json").write_text(json.dumps(ic))
    (tmp_path / "dc.json").write_text('{"computeType": "local", "port": 32267}')
    words = ["-n", "mysvc", "-m", "mymodel:1", "--ic", tmp_path / "ic.json", "--dc", tmp_path / "dc.json"]
    words += ["--registry", registry.host, "--store", tmp_path / "store"]
    words += ["--server-source", packages.server_source(tmp_path)]

    return lambda *more: Shell(capsys).run("model", "deploy", *words, *more)


def test_the_device_gets_a_manifest_whose_image_the_registry_has(deploy, broker, login):
    said = deploy("--ct", "cam7")
    assert said.code == 0, said.err
    with Listener(broker.port, "cam7") as device:
        manifest = json.loads(device.wait("desired").body)

    module = manifest["modules"]["mysvc"]
    assert (manifest["version"], module["ports"]) == (1, ["32267:5001"])
    with login.open() as registry:
        facts = registry.resolve(parse_reference(module["image"]), "amd64")
    assert module["image"].endswith(facts.digest)
    assert "cam7  mysvc version 1 pushed" in said.out
    assert login.password.reveal() not in said.out + said.err + json.dumps(manifest)


def test_the_next_one_is_a_version_higher_and_answers_scripts_in_one_document(deploy, broker):
    assert deploy("--ct", "cam8").code == 0
    said = deploy("--ct", "cam8", "-o", "json")

    assert said.code == 0, said.err
    (device,) = json.loads(said.out)["devices"]
    assert (device["device"], device["version"], device["outcome"]) == ("cam8", 2, "pushed")
    with Listener(broker.port, "cam8") as listener:
        assert json.loads(listener.wait("desired").body) == device["manifest"]


def test_devices_that_take_signed_manifests_only_get_one_for_themselves(deploy, broker, tmp_path, capsys):
    Shell(capsys).run("keys", "init", tmp_path / "keys")
    said = deploy("--ct", "cam9", "--sign-key", tmp_path / "keys/manifest-1.key")

    assert said.code == 0, said.err
    with Listener(broker.port, "cam9") as device:
        (tmp_path / "got.json").write_bytes(device.wait("desired", b'"payloadType"').body)
    checked = Shell(capsys).run("verify", tmp_path / "got.json", "--root", tmp_path / "keys/root.json")
    assert (checked.code, "cam9" in checked.out) == (0, True), checked.err


def test_a_group_s_devices_get_theirs_one_after_the_other(deploy, broker, tmp_path):
    (tmp_path / "store/deployments").mkdir()
    (tmp_path / "store/deployments/groups.json").write_text('{"line3": ["g1", "g2"]}')
    said = deploy("--ct", "group:line3", "--follow", "--timeout", "1s")

    assert said.code == 9, said.err  # neither device is there to answer
    for name in ("g1", "g2"):
        with Listener(broker.port, name) as device:
            assert "mysvc" in json.loads(device.wait("desired").body)["modules"]
