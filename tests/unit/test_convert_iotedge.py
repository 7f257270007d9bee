"""An Azure IoT Edge deployment as a manifest: what is carried over, what is said, what is refused, and where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgetender.convert.iotedge import Conversion, convert, is_iotedge
from edgetender.errors import ManifestInvalid
from edgetender.model.reading import manifest_of
from tests.builders.iotedge import OPTIONS, edge_agent, edge_deployment, edge_module, layer

DESIRED = "modulesContent.$edgeAgent.properties.desired"
SETTINGS = f"{DESIRED}.modules.scorer.settings"


def converted(*documents: Any, **more: Any) -> Conversion:
    result = convert(documents, **({"version": 3} | more))
    manifest_of(result.manifest)  # whatever comes out is one
    return result


def scorer(**changes: Any) -> Any:
    return converted(edge_deployment(scorer=edge_module(**changes))).manifest["modules"]["scorer"]


def faults(*documents: Any, **more: Any) -> dict[str, str]:
    with pytest.raises(ManifestInvalid) as caught:
        converted(*documents, **more)
    return {problem.path: problem.code for problem in caught.value.problems}


def faults_of(**changes: Any) -> dict[str, str]:
    return faults(edge_deployment(scorer=edge_module(**changes)))


def notes(*documents: Any, **more: Any) -> dict[str, str]:
    return {note.path: note.code for note in converted(*documents, **more).notes}


# --- the envelope


@pytest.mark.parametrize("schema", ["1.0", "1.1", "1.1.0"])
def test_a_deployment_becomes_a_manifest(schema: str):
    manifest = converted(edge_deployment(schema=schema, scorer=edge_module()), deployment="line3").manifest
    assert manifest == {
        "schema": "edgetender/v1",
        "deployment": "line3",
        "version": 3,
        "modules": {"scorer": {"image": "registry.example/models/fraud:1.4.0"}},
    }


@pytest.mark.parametrize("schema", ["1.2", "2.0", "0.9", "", None, 1])
def test_another_schema_version_is_refused(schema: Any):
    assert faults(edge_deployment(schema=schema, a=edge_module())) == {
        f"{DESIRED}.schemaVersion": "iotedge.schema_version"
    }


def test_it_may_stand_below_content_and_paths_say_so():
    document = {"content": edge_deployment(scorer=edge_module(type="moby"))}
    assert list(faults(document)) == [f"content.{DESIRED}.modules.scorer.type"]


def test_a_twin_is_one_too_and_its_paths_are_the_twin_s():
    twin = edge_agent(scorer=edge_module(status="paused")) | {"$version": 12, "$metadata": {}}
    assert is_iotedge(twin)
    assert faults(twin) == {"modules.scorer.status": "iotedge.value"}


@pytest.mark.parametrize(
    "document",
    [{"schema": "edgetender/v1", "runtime": {}}, {"modules": {}}, [], "text", None, {"content": 1}],
)
def test_other_documents_are_none(document: Any):
    assert not is_iotedge(document)


def test_a_deployment_without_modules_removes_all_and_says_that_it_means_it():
    assert converted(edge_deployment()).manifest["allow_empty"] is True


def test_an_empty_one_is_refused():
    assert faults({"modulesContent": {}}) == {DESIRED: "iotedge.empty"}


def test_a_name_that_only_differs_in_case_is_another_s():
    both = edge_deployment(Scorer=edge_module(), scorer=edge_module())
    assert faults(both) == {f"{DESIRED}.modules.scorer": "iotedge.name"}
    assert notes(edge_deployment(Scorer=edge_module()))[f"{DESIRED}.modules.Scorer"] == "iotedge.name"


# --- what stays behind is said, one by one


def test_what_is_not_imported_is_named_one_by_one():
    document = edge_deployment(scorer=edge_module())
    document["modulesContent"]["$edgeHub"] = {
        "properties.desired": {
            "schemaVersion": "1.1",
            "routes": {
                "up": {"route": "FROM /messages/modules/scorer/* INTO $upstream", "priority": 1},
                "across": 'FROM /messages/* INTO BrokeredEndpoint("/modules/b/inputs/i")',
            },
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }
    }
    document["modulesContent"]["scorer"] = {"properties.desired": {"threshold": 0.8}}
    hub = "modulesContent.$edgeHub.properties.desired"
    assert notes(document) == {
        f"{hub}.routes.across": "iotedge.route",
        f"{hub}.routes.up": "iotedge.route",
        f"{hub}.storeAndForwardConfiguration": "iotedge.hub",
        f"{DESIRED}.modules.scorer.version": "iotedge.version",
        f"{DESIRED}.runtime.settings.minDockerVersion": "iotedge.no_effect",
        f"{DESIRED}.systemModules.edgeAgent": "iotedge.system_module",
        f"{DESIRED}.systemModules.edgeHub": "iotedge.system_module",
        "modulesContent.scorer.properties.desired": "iotedge.module_twin",
    }


def test_a_registry_s_password_is_nowhere_in_what_comes_out():
    document = edge_deployment(scorer=edge_module())
    settings = document["modulesContent"]["$edgeAgent"]["properties.desired"]["runtime"]["settings"]
    settings["registryCredentials"] = {
        "Corp": {"address": "registry.example", "username": "pull", "password": "hunter2"}
    }
    result = converted(document)
    assert result.manifest["registries"] == {"registry.example": {"credential": "corp"}}
    assert "hunter2" not in json.dumps(result.manifest) + str(result.notes)
    assert "iotedge.credential" in {note.code for note in result.notes}


# --- layers


def test_a_layer_alone_is_no_deployment():
    path = f"content.{DESIRED}"
    assert faults(layer(b=edge_module())) == {path: "iotedge.layer"}


def test_a_layer_adds_modules_and_replaces_those_of_the_same_name_whole():
    base = edge_deployment(a=edge_module(options={"Cmd": ["x"]}), b=edge_module())
    top = layer(a=edge_module("registry.example/a:2"), c=edge_module())
    modules = converted(base, top).manifest["modules"]
    assert sorted(modules) == ["a", "b", "c"]
    assert modules["a"] == {"image": "registry.example/a:2"}


def test_a_path_below_a_module_changes_that_alone():
    top = layer()
    top["content"]["modulesContent"]["$edgeAgent"]["properties.desired.modules.a.settings.image"] = (
        "r.example/a:9"
    )
    base = edge_deployment(a=edge_module(options={"Cmd": ["x"]}))
    assert converted(base, top).manifest["modules"]["a"] == {"image": "r.example/a:9", "command": ["x"]}


# --- a module


def test_the_reference_s_example_is_one_variant_that_needs_a_gpu():
    whole = {"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]}}
    text = json.dumps(whole)
    settings = {
        "image": "registry.example/models/fraud:1.4.0-cuda12",
        "createOptions": text[:30],
        "createOptions01": text[30:50],
        "createOptions02": text[50:],
    }
    result = converted(
        edge_deployment(
            scorer=edge_module(
                settings=settings, env={"LOG": {"value": "info"}}, startupOrder=1, imagePullPolicy="on-create"
            )
        )
    )
    assert result.manifest["modules"]["scorer"] == {
        "variants": [
            {"name": "gpu", "image": settings["image"], "requires": {"accelerator": "nvidia"}},
        ],
        "env": {"LOG": "info"},
    }
    assert {"iotedge.gpu", "iotedge.order"} <= {note.code for note in result.notes}


def test_options_and_environment_are_carried_over_and_the_module_s_env_wins():
    assert scorer(
        options=OPTIONS, env={"LOG": {"value": "info"}, "N": {"value": 3}, "ON": {"value": True}}
    ) == {
        "image": "registry.example/models/fraud:1.4.0",
        "env": {"LOG": "info", "MODE": "fast", "N": "3", "ON": "true"},
        "ports": [
            {"host": 6789, "container": 5001, "address": "0.0.0.0"},
            {"host": 53, "container": 53, "address": "127.0.0.1", "protocol": "udp"},
        ],
        "volumes": [{"name": "models", "path": "/models", "read_only": True}],
        "resources": {"memory": 268435456, "cpus": 1.5},
    }


@pytest.mark.parametrize(
    ("given", "restart"),
    [("always", None), ("on-failure", "on-failure"), ("never", "never"), ("on-unhealthy", "on-failure")],
)
def test_restart_policies(given: str, restart: str | None):
    assert scorer(restartPolicy=given).get("restart") == restart


def test_a_stopped_module_is_left_out_and_that_is_said():
    document = edge_deployment(scorer=edge_module(), old=edge_module(status="stopped"))
    assert list(converted(document).manifest["modules"]) == ["scorer"]
    assert notes(document)[f"{DESIRED}.modules.old.status"] == "iotedge.stopped"


@pytest.mark.parametrize("image", ["r.example/a@sha256:" + "0" * 64, "r.example/a:1@sha256:" + "0" * 64])
def test_both_forms_of_a_digest_are_taken_which_iot_edge_refuses(image: str):
    assert scorer(image=image)["image"] == image


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"type": "process"}, "type", "iotedge.value"),
        ({"status": "paused"}, "status", "iotedge.value"),
        ({"restartPolicy": "sometimes"}, "restartPolicy", "iotedge.value"),
        ({"imagePullPolicy": "always"}, "imagePullPolicy", "iotedge.value"),
        ({"startupOrder": "1"}, "startupOrder", "iotedge.type"),
        ({"env": {"A": "plain"}}, "env.A", "iotedge.type"),
        ({"env": {"A": {"value": []}}}, "env.A.value", "iotedge.type"),
        ({"env": {"1A": {"value": "x"}}}, "env.1A", "iotedge.value"),
        ({"env": []}, "env", "iotedge.type"),
        ({"settings": None}, "settings", "iotedge.type"),
        ({"image": "$upstream:443/a:1"}, "settings.image", "iotedge.unsupported"),
        ({"image": "Not/An/Image"}, "settings.image", "image.reference"),
        ({"replicas": 2}, "replicas", "iotedge.unsupported"),
    ],
)
def test_what_cannot_be_carried_over_is_refused_with_its_path(changes: Any, path: str, code: str):
    assert faults_of(**changes) == {f"{DESIRED}.modules.scorer.{path}": code}


def test_a_port_given_to_two_modules_is_said_of_the_second():
    taken = {"HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}}}
    document = edge_deployment(A=edge_module(options=taken), B=edge_module(options=taken))
    assert faults(document) == {f"{DESIRED}.modules.B": "port.conflict"}


def test_all_faults_are_told_at_once():
    document = edge_deployment(
        a=edge_module(type="x", options='{"Tty": true'), b=edge_module(options={"User": "0"})
    )
    assert list(faults(document)) == [
        f"{DESIRED}.modules.a.type",
        f"{DESIRED}.modules.a.settings.createOptions",
        f"{DESIRED}.modules.b.settings.createOptions.User",
    ]


def test_what_may_be_left_out_is_noted_instead():
    document = edge_deployment(
        scorer=edge_module(options={"HostConfig": {"CapAdd": ["NET_ADMIN"]}, "User": "0"})
    )
    path = f"{SETTINGS}.createOptions.HostConfig"
    assert faults(document, left_out=frozenset({path})) == {
        f"{SETTINGS}.createOptions.User": "iotedge.unsupported"
    }
    both = frozenset({path, f"{SETTINGS}.createOptions.User"})
    assert notes(document, left_out=both)[f"{path}.CapAdd[0]"] == "iotedge.left_out"


def test_a_path_to_leave_out_that_names_nothing_is_a_fault_beside_those_it_was_meant_for():
    document = edge_deployment(scorer=edge_module(options={"User": "0"}))
    found = faults(document, left_out=frozenset({"scorer.User"}))
    assert found == {
        f"{SETTINGS}.createOptions.User": "iotedge.unsupported",
        "scorer.User": "iotedge.left_out",
    }
    assert "scorer.User" not in notes(
        edge_deployment(scorer=edge_module()), left_out=frozenset({"scorer.User"})
    )


@pytest.mark.parametrize("version", [0, -1, 2**53])
def test_a_version_out_of_range_is_refused(version: int):
    twin = edge_agent(scorer=edge_module()) | {"$version": version}
    assert faults(twin, version=version) == {"$version": "iotedge.value"}
