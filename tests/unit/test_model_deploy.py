"""Does `edgetender model deploy` write the manifest that its configurations ask for?"""

import json

import pytest
import yaml

from edgetender.errors import ConfigInvalid, ManifestInvalid, NotFound, Permanent
from edgetender.model.reading import manifest_of
from edgetender.packaging import deployment_config
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.deployment import Deployments, with_service
from edgetender.packaging.logins import Login
from edgetender.packaging.workspace import Workspace
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.shell import Shell

HOST = "reg.example:5000"
# The original's document on the local kind, and what those for clusters have beside it.
LOCAL = {"computeType": "local", "port": 32267}


@pytest.fixture
def config(tmp_path):
    def read(**content):
        (tmp_path / "dc.json").write_text(json.dumps(content))
        return deployment_config.read(tmp_path / "dc.json")

    return read


@pytest.fixture
def deploy(tmp_path, capsys, monkeypatch):
    """Run it on a store with the model `diabetes`, a base and a private registry; nothing listens anywhere."""
    monkeypatch.delenv("EDGETENDER_BROKER", raising=False)
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(packages.SCRIPT)
    (source / "ic.json").write_text(json.dumps({"entryScript": "score.py", "runtime": "python"}))
    (tmp_path / "weights.bin").write_bytes(b"w")
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    workspace = Workspace(tmp_path / "store")
    workspace.models.register(tmp_path / "weights.bin", "diabetes")
    workspace.logins.keep(Login(HOST, "me", Secret("correct horse battery")))
    server = packages.server_source(tmp_path)

    def run(*words: str):
        given = [
            "-n",
            "diabetes",
            "-m",
            "diabetes:1",
            "--ic",
            source / "ic.json",
            "--base",
            f"oci:{tmp_path / 'base'}",
        ]
        given += ["--store", tmp_path / "store", "--server-source", server]
        return Shell(capsys).run("model", "deploy", *given, *words)

    return run


# --- the deployment configuration


def test_without_a_configuration_the_documents_port_is_published():
    module = deployment_config.DeploymentConfig().module()
    assert module["ports"] == ["6789:5001"]
    assert module["health"] == {"http": {"port": 5001, "path": "/v2/health/ready"}}


def test_the_originals_keys_become_those_of_a_module(config):
    found = config(
        **LOCAL, containerResourceRequirements={"cpu": 0.5, "memoryInGB": 0.25}, scoringTimeoutMs=30000,
        dataCollection={"storageEnabled": True}, environmentVariables={"SITE": "hall 3"}, authEnabled=False,
        livenessProbeRequirements={"periodSeconds": 7, "timeoutSeconds": 3, "failureThreshold": 4}, sslEnabled=None,
    )  # fmt: skip

    assert found.warnings == ()
    assert found.module() == {
        "ports": ["32267:5001"],
        "health": {
            "http": {"port": 5001, "path": "/v2/health/ready"}, "interval": 7, "timeout": 3, "failures": 4,
        },
        "env": {"SCORING_TIMEOUT_MS": "30000", "AML_MDC_STORAGE_ENABLED": "true", "SITE": "hall 3"},
        "resources": {"cpus": 0.5, "memory": 250_000_000},
    }  # fmt: skip
    assert with_service(None, "svc", {"image": "reg.example/svc:1", **found.module()})["version"] == 1


def test_a_mapping_names_the_address_too(config):
    assert config(port="0.0.0.0:80:5001").module()["ports"] == ["0.0.0.0:80:5001"]


def test_keys_of_clusters_and_unknown_ones_are_warned_of(config):
    found = config(
        computeType="aks", numReplicas=3, typo=1, appInsightsEnabled=True,
        livenessProbeRequirements={"initialDelaySeconds": 310}, dataCollection={"storageEnabled": False, "x": 1},
    )  # fmt: skip

    assert {one.path: one.code for one in found.warnings} == {
        "computeType": "value.unused", "numReplicas": "key.unused", "typo": "key.unknown",
        "appInsightsEnabled": "key.unused", "livenessProbeRequirements.initialDelaySeconds": "key.unused",
        "dataCollection.x": "key.unused",
    }  # fmt: skip


def test_a_service_that_was_to_be_protected_is_not_deployed_without(config):
    with pytest.raises(ConfigInvalid, match="EDGETENDER_SCORING_KEYS_FILE") as caught:
        config(authEnabled=True, sslEnabled=True)
    assert [one.path for one in caught.value.problems] == ["authEnabled", "sslEnabled"]


def test_every_fault_of_the_configuration_is_named_with_its_key(config):
    with pytest.raises(ConfigInvalid) as caught:
        config(
            computeType=1, port=70000, scoringTimeoutMs="soon", dataCollection=True, appInsightsEnabled="yes",
            containerResourceRequirements={"cpu": 0, "memoryInGB": True}, livenessProbeRequirements=[],
            environmentVariables={"A B": "x", "C": 1},
        )  # fmt: skip
    assert [one.path for one in caught.value.problems] == [
        "computeType", "port", "scoringTimeoutMs", "dataCollection", "appInsightsEnabled",
        "containerResourceRequirements.cpu", "containerResourceRequirements.memoryInGB",
        "livenessProbeRequirements", "environmentVariables.A B", "environmentVariables.C",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["[1]", "{", '"x"'])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "dc.json").write_text(text)
    with pytest.raises(ConfigInvalid, match="--dc"):
        deployment_config.read(tmp_path / "dc.json")


# --- the manifest


def test_a_service_joins_those_that_are_there_and_replaces_its_own_name():
    first = with_service(None, "one", {"image": "reg.example/one:1"})
    both = with_service(
        first, "two", {"image": "reg.example/two:1"}, registry="reg.example", credential="line3"
    )
    third = with_service(both, "one", {"image": "reg.example/one:2"})

    assert (first["version"], both["version"], third["version"]) == (1, 2, 3)
    assert sorted(third["modules"]) == ["one", "two"]
    assert third["modules"]["one"] == {"image": "reg.example/one:2"}
    assert third["registries"] == {"reg.example": {"credential": "line3"}}
    assert both["modules"]["one"] == {"image": "reg.example/one:1"}  # what came in is not changed


def test_a_port_that_another_service_holds_is_refused_before_anything_is_sent():
    first = with_service(None, "one", {"image": "reg.example/one:1", "ports": ["6789:5001"]})
    with pytest.raises(ManifestInvalid, match="6789"):
        with_service(first, "two", {"image": "reg.example/two:1", "ports": ["6789:5001"]})


def test_a_target_is_a_device_or_a_group_of_the_store(tmp_path):
    kept = Deployments(tmp_path)
    assert kept.devices("device:cam7") == kept.devices("cam7") == ("cam7",)
    with pytest.raises(NotFound, match=r"known are none yet; write .*groups\.json"):
        kept.devices("group:line3")
    (tmp_path / "groups.json").write_text('{"line3": ["cam7", "cam8"]}')
    assert kept.devices("group:line3") == kept.devices("line3") == ("cam7", "cam8")
    for wrong in ("fleet:x", "device:../up", ""):
        with pytest.raises(ConfigInvalid, match="--ct"):
            kept.devices(wrong)
    (tmp_path / "groups.json").write_text('{"line3": "cam7"}')
    with pytest.raises(ConfigInvalid, match="no list of devices"):
        kept.devices("line3")
    (tmp_path / "groups.json").write_text("[")
    with pytest.raises(Permanent, match="correct it, or remove it"):
        kept.devices("line3")


# --- the command


def test_a_dry_run_prints_a_manifest_that_devices_take_and_sends_nothing(deploy, tmp_path):
    said = deploy("--ct", "cam7", "--dry-run")

    assert said.code == 0, said.err
    manifest = yaml.safe_load(said.out)
    assert manifest_of(manifest).version == 1
    module = manifest["modules"]["diabetes"]
    (kept,) = Workspace(tmp_path / "store").images.list()
    assert module["image"] == f"{HOST}/diabetes@{kept.image.digest}"
    assert module["ports"] == ["6789:5001"]
    assert manifest["registries"] == {HOST: {"credential": "reg.example-5000"}}
    assert "credential reg.example-5000" in said.err
    assert "correct horse" not in said.out + said.err
    assert not (tmp_path / "store/deployments").exists()


def test_for_a_group_every_device_has_a_manifest_of_its_own(deploy, tmp_path):
    folder = tmp_path / "store/deployments"
    folder.mkdir()
    (folder / "groups.json").write_text('{"line3": ["cam7", "cam8"]}')
    Deployments(folder).keep("cam8", with_service(None, "other", {"image": "reg.example/o:1"}))
    said = deploy("--ct", "group:line3", "--dry-run", "--credential", "line3", "-o", "json")

    assert said.code == 0, said.err
    first, second = map(json.loads, said.out.splitlines())
    assert (first["version"], list(first["modules"])) == (1, ["diabetes"])
    assert (second["version"], list(second["modules"])) == (2, ["other", "diabetes"])


def test_variants_are_listed_with_what_they_require(deploy):
    said = deploy("--ct", "cam7", "--dry-run", "--variant", "cpu")
    assert said.code == 0, said.err
    (variant,) = yaml.safe_load(said.out)["modules"]["diabetes"]["variants"]
    assert (variant["name"], variant["requires"]) == ("cpu", {"arch": "amd64"})


def test_what_the_device_has_from_elsewhere_is_added_to(deploy, tmp_path):
    other = {
        "schema": "edgetender/v1",
        "deployment": "line3",
        "version": 7,
        "modules": {"a": {"image": "r.io/a:1"}},
    }
    (tmp_path / "now.yaml").write_text(yaml.safe_dump(other))
    said = deploy("--ct", "cam7", "--dry-run", "--manifest", tmp_path / "now.yaml")
    assert said.code == 0, said.err
    manifest = yaml.safe_load(said.out)
    assert (manifest["deployment"], manifest["version"], list(manifest["modules"])) == (
        "line3",
        8,
        ["a", "diabetes"],
    )


def test_faults_of_the_name_and_of_both_files_are_named_at_once(deploy, tmp_path):
    (tmp_path / "dc.json").write_text('{"port": "x"}')
    (tmp_path / "ic.json").write_text('{"entryScript": "gone.py"}')
    said = deploy(
        "-n", "No", "--ic", tmp_path / "ic.json", "--dc", tmp_path / "dc.json", "--ct", "cam7", "--dry-run"
    )
    assert (said.code, said.out) == (6, "")
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["--name", "port", "entryScript"]


def test_without_a_broker_and_without_a_registry_it_says_what_to_name(deploy, tmp_path):
    said = deploy("--ct", "cam7")
    assert (said.code, "EDGETENDER_BROKER" in said.err) == (2, True)
    (tmp_path / "store/registries.json").unlink()
    said = deploy("--ct", "cam7", "--dry-run")
    assert (said.code, "edgetender registry login --name HOST" in said.err) == (4, True)


def test_model_package_is_package(capsys):
    said = Shell(capsys).run("model", "package", "--help")
    assert (said.code, "Package MODEL" in said.out) == (0, True)
