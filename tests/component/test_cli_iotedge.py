"""IoT Edge deployments at the command line: converted, checked, planned, applied and pushed as they are."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.builders.golden import same
from tests.builders.iotedge import OPTIONS, edge_deployment, edge_module, layer

DEPLOYMENT = edge_deployment(
    scorer=edge_module(options=OPTIONS), camera=edge_module("registry.example/camera")
)
FAULTY = edge_deployment(scorer=edge_module(options={"HostConfig": {"Privileged": True, "Memory": 33554432}}))


@pytest.fixture
def written(tmp_path):
    def write(name: str, document: object) -> str:
        (tmp_path / name).write_text(json.dumps(document, indent=2))
        return name

    return write


def test_a_deployment_is_printed_as_a_manifest_and_what_stays_behind_is_said(lonely, written):
    said = lonely.run("convert", written("line3.deployment.json", DEPLOYMENT), "--version", 4)
    same("convert", said.transcript())
    assert yaml.safe_load(said.out)["deployment"] == "line3"


def test_what_comes_out_is_valid(lonely, written, tmp_path):
    said = lonely.run("convert", written("line3.json", DEPLOYMENT))
    (tmp_path / "line3.yaml").write_text(said.out)
    assert lonely.run("validate", "line3.yaml").code == 0


def test_what_a_manifest_cannot_say_is_refused_with_its_place(lonely, written):
    same("convert-faults", lonely.run("convert", written("line3.json", FAULTY)).transcript())


def test_it_may_be_left_out_on_purpose(lonely, written):
    path = "modulesContent.$edgeAgent.properties.desired.modules.scorer.settings.createOptions.HostConfig.Privileged"
    said = lonely.run("-o", "json", "convert", written("line3.json", FAULTY), "--leave-out", path)
    assert said.code == 0
    answer = json.loads(said.out)
    assert answer["manifest"]["modules"]["scorer"]["resources"] == {"memory": 33554432}
    assert path in {note["path"] for note in answer["notes"]}


def test_layers_are_laid_over_it_in_their_order(lonely, written):
    files = [
        written("a.json", DEPLOYMENT),
        written("b.json", layer(camera=edge_module("registry.example/camera:2"))),
    ]
    said = lonely.run("convert", *files)
    assert yaml.safe_load(said.out)["modules"]["camera"] == {"image": "registry.example/camera:2"}
    alone = lonely.run("convert", files[1])
    assert alone.code == 6
    assert "iotedge.layer" in alone.err


def test_another_document_is_none(lonely, written):
    said = lonely.run("convert", written("line3.json", {"schema": "edgetender/v1"}))
    assert said.code == 6
    assert "line3.json is no IoT Edge deployment" in said.err


@pytest.mark.parametrize("wrong", [["--deployment", "Line 3"], ["--version", "0"]])
def test_names_and_versions_are_checked_first(lonely, written, wrong):
    assert lonely.run("convert", written("line3.json", DEPLOYMENT), *wrong).code == 2


def test_validate_takes_it_and_says_what_is_wrong_with_it(lonely, written):
    sound = lonely.run("validate", written("line3.json", DEPLOYMENT))
    assert (sound.code, sound.out) == (0, "line3.json: valid: an IoT Edge deployment, 2 modules\n")
    faulty = lonely.run("validate", written("faulty.json", FAULTY))
    assert faulty.code == 6
    assert "createOptions.HostConfig.Privileged" in faulty.err


def test_apply_sends_it_as_the_version_after_the_newest_that_the_device_knows(shell, house, written):
    shell.run("apply", "-f", written("line3.json", DEPLOYMENT), "--no-wait")
    [(kind, _, body)] = house.submitted
    manifest = json.loads(body)
    status = house.status()
    newest = max(status[key] or 0 for key in ("version", "candidate", "lastDesiredVersion"))
    assert (kind, manifest["schema"], manifest["version"]) == ("manifest", "edgetender/v1", newest + 1)


def test_push_wants_a_version_for_it_and_for_nothing_else(lonely, written):
    to = ["--to", "device:cam7", "--broker", "mqtt://127.0.0.1:1"]
    without = lonely.run("push", written("line3.json", DEPLOYMENT), *to)
    assert without.code == 2
    assert "--version" in without.err
    faulty = lonely.run("push", written("faulty.json", FAULTY), *to, "--version", 3)
    assert faulty.code == 6
