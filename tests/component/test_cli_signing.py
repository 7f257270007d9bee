"""keys, sign, verify, init and trust: from a folder of keys to a device that takes what they signed, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgetender.cli.output import Exit
from edgetender.model.examined import Identity
from edgetender.model.ledger import Decision
from edgetender.trust.device import DeviceTrust
from tests.builders import answers
from tests.builders.manifests import manifest
from tests.fakes.clock import NOON

DEVICE = ("--device", "cam7")


@pytest.fixture
def signer(lonely, tmp_path):
    """A shell in a folder with keys, a manifest, and a device whose trust lies beside them."""
    config = f'device = "cam7"\nstate_dir = "{tmp_path}/state"\n[api]\nsocket = "{tmp_path}/admin.sock"\n[trust]\ndirectory = "{tmp_path}/etc"\n'
    (tmp_path / "config.toml").write_text(config)
    (tmp_path / "line3.yaml").write_text(yaml.safe_dump(manifest(15)))
    assert lonely.run("keys", "init", "keys").code == 0
    return lonely


def examined(tmp_path: Path, envelope: Path) -> list[str]:
    """Why the device does not trust it."""
    trust = DeviceTrust(tmp_path / "etc", Identity("cam7"), required=True)
    return [problem.code for problem in trust.examine(envelope.read_bytes(), NOON).refused]


def signed(shell: Any, key: str = "keys/manifest-1.key", *more: str) -> Any:
    return shell.run("sign", "line3.yaml", "--key", key, *DEVICE, "-o", "line3.signed.json", *more)


def test_keys_lie_closed_and_the_root_says_how_many_must_sign(signer, tmp_path):
    said = json.loads(signer.run("trust", "show", "--root", "keys/root.json", "-o", "json").out)

    assert [key["name"] for key in said["keys"]] == ["root-1", "root-2", "root-3", "manifest-1"]
    assert said["thresholds"] == {"root": 2, "manifest": 1}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").glob("*.key")} == {0o600}


def test_a_signed_manifest_is_one_for_its_devices_until_its_day(signer, tmp_path):
    assert signed(signer).code == 0
    assert signer.run("init", "--root", "keys/root.json").code == 0

    said = signer.run("verify", "line3.signed.json", "--root", "keys/root.json")

    assert said.out == "line3 version 15: signed for cam7, until 2026-12-24T12:00:00.000Z\n"
    assert examined(tmp_path, tmp_path / "line3.signed.json") == []


def test_verify_says_what_is_wrong_with_it(signer, tmp_path):
    signed(signer)
    signer.clock.advance(31 * 86400)

    said = signer.run("verify", "line3.signed.json", "--root", "keys/root.json")

    assert said.code == Exit.INVALID
    assert "manifest.expired" in said.err
    assert signer.run("verify", "line3.yaml", "--root", "keys/root.json").err.endswith(
        "[signature.missing]\n"
    )


def test_a_manifest_with_faults_is_not_signed(signer, tmp_path):
    (tmp_path / "line3.yaml").write_text(yaml.safe_dump(manifest(15, scorer={"image": "!"})))

    said = signed(signer)

    assert said.code == Exit.INVALID
    assert "line3.yaml:" in said.err
    assert not (tmp_path / "line3.signed.json").exists()


def test_what_no_device_would_take_is_not_signed(signer):
    assert "other_role" in signed(signer, "keys/root-1.key").err
    assert "validity" in signed(signer, "keys/manifest-1.key", "--valid", "200d").err
    assert signer.run("sign", "line3.yaml", "--key", "keys/manifest-1.key").code == Exit.USAGE


def test_what_is_no_key_is_said_to_be_none_whoever_can_read_it(signer, tmp_path):
    said = signed(signer, "keys/root.json").err
    assert "it is no private key in PEM" in said
    assert "chmod" not in said


def test_a_key_that_others_can_read_signs_nothing(signer, tmp_path):
    (tmp_path / "keys/manifest-1.key").chmod(0o644)

    assert "chmod 600" in signed(signer).err


def test_a_revoked_key_signs_no_more_where_the_next_root_is_installed(signer, tmp_path):
    signer.run("init", "--root", "keys/root.json")
    signed(signer)
    assert signer.run("keys", "revoke", "keys", "manifest-1").code == 0
    assert examined(tmp_path, tmp_path / "line3.signed.json") == []  # not here yet

    said = signer.run("trust", "update", "keys/root.2.json")

    assert "revoked   manifest-1" in said.out
    assert examined(tmp_path, tmp_path / "line3.signed.json") == ["signature.revoked"]
    assert "signature.revoked" in signed(signer).err
    assert signed(signer, "keys/manifest-2.key").code == 0
    assert examined(tmp_path, tmp_path / "line3.signed.json") == []


def test_roots_that_follow_each_other_are_installed_together_and_none_is_left_out(signer, tmp_path):
    signer.run("init", "--root", "keys/root.json")
    signer.run("keys", "rotate", "keys", "root-1")
    signer.run("keys", "rotate", "keys", "--new-epoch")

    assert "root.not_next" in signer.run("trust", "update", "keys/root.3.json").err
    assert signer.run("trust", "update", "keys/root.2.json", "keys/root.3.json").code == 0
    said = signer.run("trust", "show")
    assert said.out.startswith("Trust root version 3, epoch 2\n")
    assert "root-4" in said.out


def test_too_few_root_keys_make_no_next_root(signer, tmp_path):
    for name in ("root-2", "root-3"):
        (tmp_path / f"keys/{name}.key").rename(tmp_path / f"{name}.key")

    said = signer.run("keys", "revoke", "keys", "manifest-1")
    assert said.code == Exit.NOT_FOUND
    assert "root-1 alone can be used here (keys), and 2 must sign; bring others with --key FILE" in said.err
    assert not (tmp_path / "keys/root.2.json").exists()
    said = signer.run("keys", "rotate", "keys", "root-1", "--key", "root-2.key")
    assert said.code == 0, said.err


def test_what_could_not_be_signed_is_made_once_the_missing_keys_are_brought(signer, tmp_path):
    names = ("root-1", "root-2", "root-3")
    for name in names:
        (tmp_path / f"keys/{name}.key").rename(tmp_path / f"{name}.key")
    before = sorted(path.name for path in (tmp_path / "keys").iterdir())

    said = signer.run("keys", "revoke", "keys", "manifest-1")
    assert said.code == Exit.NOT_FOUND
    assert (
        "of its root keys none can be used here (keys), and 2 must sign; bring others with --key FILE"
        in said.err
    )
    assert "root-1 alone" in signer.run("keys", "revoke", "keys", "manifest-1", "--key", "root-1.key").err
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == before
    brought = ("--key", "root-1.key", "--key", "root-2.key")
    said = signer.run("keys", "revoke", "keys", "manifest-1", *brought)
    assert said.code == 0, said.err
    assert signed(signer, "keys/manifest-2.key").code == 0


def test_a_first_root_is_installed_once(signer):
    assert "none is in" in signer.run("trust", "update", "keys/root.json").err
    assert signer.run("trust", "show").code == Exit.NOT_FOUND
    signer.run("init", "--root", "keys/root.json")
    signer.run("keys", "init", "others")

    assert signer.run("init", "--root", "keys/root.json").code == 0  # the same again
    assert "installed already" in signer.run("init", "--root", "others/root.json").err
    assert "a root is here already" in signer.run("keys", "init", "keys").err


def test_keys_are_encrypted_where_a_password_is_set(signer, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETENDER_KEY_PASSWORD", "correct horse")
    signer.run("keys", "init", "closed")
    assert b"ENCRYPTED" in (tmp_path / "closed/manifest-1.key").read_bytes()
    assert signed(signer, "closed/manifest-1.key").code == 0
    monkeypatch.setenv("EDGETENDER_KEY_PASSWORD", "wrong horse")
    assert "password" in signed(signer, "closed/manifest-1.key").err
    monkeypatch.delenv("EDGETENDER_KEY_PASSWORD")
    said = signed(signer, "closed/manifest-1.key")
    assert "it is encrypted; set EDGETENDER_KEY_PASSWORD" in said.err


def test_apply_hands_the_envelope_over_as_it_is_and_plan_what_is_in_it(signer, house, front_door, tmp_path):
    signed(signer)
    signer.host = front_door[0].host
    house.statuses = [answers.status(answers.module())]
    house.decisions = {1: Decision(1, 406, "being applied", 15)}

    assert signer.run("apply", "-f", "line3.signed.json", "--no-wait").code == 0
    signer.run("plan", "-f", "line3.signed.json")

    assert house.submitted[0][2] == (tmp_path / "line3.signed.json").read_bytes().strip()
    assert json.loads(house.asked[0][1]) == manifest(15)
    assert (
        signer.run("validate", "line3.signed.json").out
        == "line3.signed.json: valid: line3 version 15, 1 module\n"
    )


def test_a_refusal_of_the_device_is_told_with_its_code(signer, house, front_door):
    signed(signer)
    signer.host = front_door[0].host
    house.statuses = [answers.status(answers.module())]
    why = "signatures: no signature on it is by a key of root version 1"
    house.decisions = {1: Decision(1, 403, why, 15, (("signatures", "signature.invalid", why),))}

    said = signer.run("apply", "-f", "line3.signed.json")

    assert said.code == Exit.FAILED
    assert "[signature.invalid]" in said.err
