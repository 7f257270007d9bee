"""Deployments as they are found in the field: each converts, or is refused with the path of all that stands in the way."""

from __future__ import annotations

from typing import Any

import pytest

from edgetender.convert.iotedge import convert
from edgetender.errors import ManifestInvalid
from edgetender.model.reading import manifest_of
from tests.builders.iotedge import edge_deployment, edge_module

LOGS = {"Type": "", "Config": {"max-size": "10m", "max-file": "10"}}
EVERYWHERE = {"address": "0.0.0.0"}


def host(**config: Any) -> dict[str, Any]:
    return {"HostConfig": config}


def published(*ports: int) -> dict[str, Any]:
    return {f"{port}/tcp": [{"HostPort": str(port)}] for port in ports}


CONVERTS = {
    "a simulated sensor, as the first tutorial has it": (
        edge_module("mcr.microsoft.com/azureiotedge-simulated-temperature-sensor:1.4", options=""),
        {"image": "mcr.microsoft.com/azureiotedge-simulated-temperature-sensor:1.4"},
    ),
    "a module with everything that tools write beside it": (
        edge_module(
            "registry.example/filter:0.0.1-amd64",
            options=host(LogConfig=LOGS, RestartPolicy={"Name": "always"}, NetworkMode="azure-iot-edge")
            | {
                "NetworkingConfig": {"EndpointsConfig": {"azure-iot-edge": {}}},
                "ExposedPorts": {"80/tcp": {}},
            },
            env={"PROCESSING_DELAY": {"value": "5000"}},
            imagePullPolicy="on-create",
            startupOrder=1,
        ),
        {"image": "registry.example/filter:0.0.1-amd64", "env": {"PROCESSING_DELAY": "5000"}},
    ),
    "storage in a volume of its own": (
        edge_module(
            "mcr.microsoft.com/azure-blob-storage:latest",
            options={"Env": ["LOCAL_STORAGE_ACCOUNT_NAME=line3"]}
            | host(Binds=["blobs:/blobroot"], PortBindings=published(11002)),
        ),
        {
            "image": "mcr.microsoft.com/azure-blob-storage:latest",
            "env": {"LOCAL_STORAGE_ACCOUNT_NAME": "line3"},
            "ports": [{"host": 11002, "container": 11002} | EVERYWHERE],
            "volumes": [{"name": "blobs", "path": "/blobroot"}],
        },
    ),
    "a model on the GPU": (
        edge_module(
            "registry.example/vision:1-cuda",
            options=host(
                Runtime="nvidia",
                DeviceRequests=[{"Driver": "", "Count": -1, "Capabilities": [["gpu", "compute"]]}],
                PortBindings=published(80),
                Memory=4294967296,
            ),
            restartPolicy="on-unhealthy",
        ),
        {
            "variants": [
                {
                    "name": "gpu",
                    "image": "registry.example/vision:1-cuda",
                    "requires": {"accelerator": "nvidia"},
                }
            ],
            "ports": [{"host": 80, "container": 80} | EVERYWHERE],
            "resources": {"memory": 4294967296},
            "restart": "on-failure",
        },
    ),
}

REFUSED = {
    "storage in a directory of the device": (
        host(Binds=["/srv/containerdata:/blobroot"], PortBindings=published(11002)),
        {"HostConfig.Binds[0]"},
    ),
    "video analysis beside its camera": (
        host(
            IpcMode="host",
            ShmSize=1536870912,
            Binds=["/var/media/:/var/media/", "/var/lib/analyzer:/var/lib/analyzer"],
            LogConfig=LOGS,
        )
        | {"Env": ["LOCAL_USER_ID=1010"]},
        {"HostConfig.IpcMode", "HostConfig.ShmSize", "HostConfig.Binds[0]", "HostConfig.Binds[1]"},
    ),
    "a publisher of industrial data": (
        {"Hostname": "publisher", "Cmd": ["--pf=/appdata/nodes.json", "--aa"]}
        | host(Binds=["/iiotedge:/appdata"], ExtraHosts=["plc:10.0.0.4"]),
        {"Hostname", "HostConfig.Binds[0]", "HostConfig.ExtraHosts"},
    ),
    "a database that wants to be traced": (
        host(
            CapAdd=["SYS_PTRACE"],
            PortBindings=published(1433),
            Mounts=[{"Type": "volume", "Source": "sqlvolume", "Target": "/var/opt/mssql"}],
        )
        | {"User": "root"},
        {"HostConfig.CapAdd[0]", "User"},
    ),
    "a camera by its device, with all rights": (
        host(
            Privileged=True,
            Devices=[
                {"PathOnHost": "/dev/video0", "PathInContainer": "/dev/video0", "CgroupPermissions": "mrw"}
            ],
            NetworkMode="host",
        ),
        {"HostConfig.Privileged", "HostConfig.Devices", "HostConfig.NetworkMode"},
    ),
}


@pytest.mark.parametrize(("module", "entry"), CONVERTS.values(), ids=CONVERTS)
@pytest.mark.parametrize("schema", ["1.0", "1.1"])
def test_it_converts_to_what_a_device_takes(
    schema: str, module: dict[str, Any], entry: dict[str, Any]
) -> None:
    document = edge_deployment(schema=schema, scorer=module)
    document["modulesContent"]["$edgeHub"] = {
        "properties.desired": {
            "schemaVersion": schema,
            "routes": {
                "up": "FROM /messages/modules/scorer/* INTO $upstream",
                "on": {
                    "route": 'FROM /messages/* INTO BrokeredEndpoint("/modules/scorer/inputs/in")',
                    "priority": 0,
                    "timeToLiveSecs": 86400,
                },
            },
            "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        }
    }
    result = convert([document], version=1)
    assert result.manifest["modules"] == {"scorer": entry}
    assert manifest_of(result.manifest).version == 1
    routes = "modulesContent.$edgeHub.properties.desired.routes."
    assert {f"{routes}up", f"{routes}on"} <= {note.path for note in result.notes}


@pytest.mark.parametrize(("options", "paths"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_for_all_that_a_manifest_cannot_say(options: dict[str, Any], paths: set[str]) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        convert([edge_deployment(scorer=edge_module(options=options))], version=1)
    where = "modulesContent.$edgeAgent.properties.desired.modules.scorer.settings.createOptions."
    assert {problem.path for problem in refused.value.problems} == {f"{where}{path}" for path in paths}
