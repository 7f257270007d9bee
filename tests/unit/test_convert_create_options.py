"""Docker's create options, field by field: carried over, without effect, or refused with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgetender.convert.create_options import joined, mapped
from edgetender.convert.findings import Findings


def read(options: Any) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """What became of *options*: the module's keys, the faults by path, the paths of the notes."""
    findings = Findings()
    run = mapped(options, "o", findings)
    return run, {one.path: one.code for one in findings.faults}, [one.path for one in findings.notes]


def host(**config: Any) -> dict[str, Any]:
    return {"HostConfig": config}


@pytest.mark.parametrize(
    ("options", "run"),
    [
        ({"Cmd": ["python", "-m", "score"]}, {"command": ["python", "-m", "score"]}),
        ({"Cmd": "score"}, {"command": ["score"]}),
        ({"cmd": ["score"]}, {"command": ["score"]}),
        ({"StopTimeout": 30}, {"stop_grace": 30}),
        ({"StopSignal": "SIGTERM"}, {}),
        (host(CpuQuota=50000), {"resources": {"cpus": 0.5}}),
        (host(CpuPeriod=200000, CpuQuota=50000), {"resources": {"cpus": 0.25}}),
        (host(PidsLimit=100), {"resources": {"pids": 100}}),
        (host(ReadonlyRootfs=True), {"read_only": True}),
        (host(CapAdd=["CAP_CHOWN", "setuid"], CapDrop=["ALL"]), {"capabilities": ["CHOWN", "SETUID"]}),
        (host(PidsLimit=-1, Memory=0, NanoCpus=0), {}),
        (host(Memory=8388608, MemorySwap=8388608), {"resources": {"memory": 8388608}}),
        (host(Runtime="nvidia"), {"gpu": "o.HostConfig.Runtime"}),
        (host(NetworkMode="bridge", Privileged=False, CapAdd=[], Devices=None), {}),
        ({"Labels": {}, "Tty": False, "User": "", "Entrypoint": None, "Hostname": ""}, {}),
        (
            host(Mounts=[{"Type": "volume", "Source": "m", "Target": "/m", "ReadOnly": True}]),
            {"volumes": [{"name": "m", "path": "/m", "read_only": True}]},
        ),
        (host(Binds=["m:/m"]), {"volumes": [{"name": "m", "path": "/m"}]}),
        (
            host(PortBindings={"80/tcp": [{"HostPort": "80"}, {"HostIp": "::1", "HostPort": 81}]}),
            {
                "ports": [
                    {"host": 80, "container": 80, "address": "0.0.0.0"},
                    {"host": 81, "container": 80, "address": "::1"},
                ]
            },
        ),
    ],
)
def test_what_a_manifest_has_a_word_for_is_carried_over(options: Any, run: dict[str, Any]):
    assert read(options)[:2] == (run, {})


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"Entrypoint": ["sh"]}, "o.Entrypoint"),
        ({"User": "root"}, "o.User"),
        ({"Labels": {"a": "b"}}, "o.Labels"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "o.Healthcheck"),
        ({"StopSignal": "SIGINT"}, "o.StopSignal"),
        ({"StopTimeout": -1}, "o.StopTimeout"),
        ({"Env": ["ALONE"]}, "o.Env[0]"),
        ({"NetworkingConfig": {"EndpointsConfig": {"host": {}}}}, "o.NetworkingConfig.EndpointsConfig.host"),
        ({"NoSuchKey": 1}, "o.NoSuchKey"),
        (host(Privileged=True), "o.HostConfig.Privileged"),
        (host(CapAdd=["SYS_ADMIN"]), "o.HostConfig.CapAdd[0]"),
        (host(Devices=[{"PathOnHost": "/dev/video0"}]), "o.HostConfig.Devices"),
        (host(NetworkMode="host"), "o.HostConfig.NetworkMode"),
        (host(Binds=["/etc:/etc"]), "o.HostConfig.Binds[0]"),
        (host(Binds=["m:/m", "/m"]), "o.HostConfig.Binds[1]"),
        (host(Binds=["m:/m:shared"]), "o.HostConfig.Binds[0]"),
        (host(Binds=["Models:/m"]), "o.HostConfig.Binds[0]"),
        (host(Mounts=[{"Type": "bind", "Source": "/a", "Target": "/a"}]), "o.HostConfig.Mounts[0]"),
        (host(Mounts=[{"Type": "volume", "Source": "a", "Target": "/a", "VolumeOptions": {"NoCopy": True}}]),
         "o.HostConfig.Mounts[0].VolumeOptions"),
        (host(MemorySwap=-1), "o.HostConfig.MemorySwap"),
        (host(Memory=1024), "o.HostConfig.Memory"),
        (host(MemoryReservation=1024), "o.HostConfig.MemoryReservation"),
        (host(LogConfig={"Type": "journald"}), "o.HostConfig.LogConfig.Type"),
        (host(PortBindings={"80/sctp": [{"HostPort": "80"}]}), "o.HostConfig.PortBindings.80/sctp"),
        (host(PortBindings={"80/tcp": []}), "o.HostConfig.PortBindings.80/tcp"),
        (host(PortBindings={"80/tcp": [{"HostPort": ""}]}), "o.HostConfig.PortBindings.80/tcp[0].HostPort"),
        (host(PortBindings={"80/tcp": [{"HostPort": "80-90"}]}), "o.HostConfig.PortBindings.80/tcp[0].HostPort"),
        (host(Runtime="kata"), "o.HostConfig.Runtime"),
        (host(DeviceRequests=[{"Driver": "amd", "Capabilities": [["gpu"]]}]), "o.HostConfig.DeviceRequests[0]"),
        (host(DeviceRequests=[{"Count": 2, "Capabilities": [["gpu"]]}]), "o.HostConfig.DeviceRequests[0].Count"),
    ],
)  # fmt: skip
def test_what_it_has_none_for_is_refused_with_its_path(options: Any, path: str):
    assert read(options)[1] == {path: "iotedge.unsupported"}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"HostConfig": []}, "o.HostConfig"),
        ({"Env": {"A": "b"}}, "o.Env"),
        ({"Cmd": [1]}, "o.Cmd"),
        (host(Memory="256m"), "o.HostConfig.Memory"),
        (host(Memory=True), "o.HostConfig.Memory"),
        (host(PortBindings=[80]), "o.HostConfig.PortBindings"),
        (host(DeviceRequests=[{"Capabilities": ["gpu"]}]), "o.HostConfig.DeviceRequests[0].Capabilities"),
    ],
)
def test_what_docker_itself_would_not_understand_is_a_fault_of_type(options: Any, path: str):
    assert read(options)[1] == {path: "iotedge.type"}


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"ExposedPorts": {"80/tcp": {}}}, "o.ExposedPorts"),
        ({"Image": "a"}, "o.Image"),
        (host(RestartPolicy={"Name": "always"}), "o.HostConfig.RestartPolicy"),
        (host(LogConfig={"Type": "json-file", "Config": {"max-size": "1m"}}), "o.HostConfig.LogConfig"),
        ({"NetworkingConfig": {"EndpointsConfig": {"azure-iot-edge": {}}}},
         "o.NetworkingConfig.EndpointsConfig.azure-iot-edge"),
    ],
)  # fmt: skip
def test_what_loses_nothing_is_noted(options: Any, path: str):
    assert read(options)[1:] == ({}, [path])


def settings(*chunks: str) -> dict[str, str]:
    names = ["createOptions", *(f"createOptions{number:02}" for number in range(1, len(chunks)))]
    return dict(zip(names, chunks, strict=True))


def test_chunks_are_joined_in_their_order_before_they_are_read():
    text = json.dumps({"Env": [f"NAME_{number}={'x' * 40}" for number in range(100)]})
    chunks = [text[at : at + 512] for at in range(0, len(text), 512)]
    assert len(chunks) > 10
    backwards = dict(reversed(settings(*chunks).items()))
    assert joined({"image": "a"} | backwards, "s", findings := Findings()) == json.loads(text)
    assert findings.faults == []


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        (settings("{", "}", "") | {"createOptions04": "}"}, "s.createOptions03", "is missing"),
        ({"createOptions01": "{}"}, "s.createOptions", "is missing"),
        (settings(*["{}"] * 101), "s.createOptions", "at most 100"),
        (settings('{"Env": [', "oops]}"), "s.createOptions", "offset 9 of the joined text"),
        (settings("[]"), "s.createOptions", "a JSON object"),
        (settings('{"A":1,"A":2}'), "s.createOptions", "given twice"),
        ({"createOptions": 3}, "s.createOptions", "must be text"),
        ({"createOptions": {}, "createOptions01": "x"}, "s.createOptions", "where createOptions01"),
    ],
)
def test_chunks_that_are_no_options_are_a_fault_that_says_where(given: Any, path: str, says: str):
    findings = Findings()
    joined(given, "s", findings)
    [fault] = findings.faults
    assert fault.path == path
    assert says in fault.message


@pytest.mark.parametrize(
    "given", [{}, {"createOptions": ""}, {"createOptions": None}, {"createOptions": "null"}]
)
def test_no_options_are_none(given: Any):
    assert joined(given, "s", findings := Findings()) == {}
    assert findings.faults == []


def test_a_document_is_taken_where_a_tool_has_not_made_a_text_of_it_yet():
    assert joined({"createOptions": {"Cmd": ["a"]}}, "s", Findings()) == {"Cmd": ["a"]}
