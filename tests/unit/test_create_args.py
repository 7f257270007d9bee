"""What a spec becomes in the engine's own words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgetender.engine.create_args import create_body
from edgetender.engine.labels import container_name, streams_of
from edgetender.model.target import ContainerSpec, HealthSpec, Mount, PublishedPort

PLAIN = ContainerSpec("scorer", "cpu", "registry.example/scorer@sha256:" + "a" * 64)
FULL = replace(
    PLAIN,
    command=("serve", "--fast"),
    env=(("MODEL", "diabetes"), ("EMPTY", "")),
    ports=(
        PublishedPort(6789, 5001, "tcp", "0.0.0.0"),
        PublishedPort(6790, 5001, "tcp", "127.0.0.1"),
        PublishedPort(5353, 53, "udp", "0.0.0.0"),
    ),
    mounts=(Mount("cache", "/cache", read_only=True),),
    memory_bytes=256 * 1024**2,
    cpus=1.5,
    pids=100,
    gpu=True,
    stop_grace_s=2.5,
)


def test_a_full_spec_has_every_field_in_its_place() -> None:
    body = create_body(FULL, 4, "line3-cam7")
    assert body["Image"] == FULL.image
    assert body["Cmd"] == ["serve", "--fast"]
    assert body["Env"] == ["MODEL=diabetes", "EMPTY="]
    assert body["StopTimeout"] == 3
    assert body["ExposedPorts"] == {"5001/tcp": {}, "53/udp": {}}
    assert body["Labels"] == {
        "io.edgetender.device": "line3-cam7",
        "io.edgetender.module": "scorer",
        "io.edgetender.variant": "cpu",
        "io.edgetender.version": "4",
        "io.edgetender.spec": FULL.digest,
        "io.edgetender.image": FULL.image,
        "io.edgetender.role": "",
        "io.edgetender.secrets": "",
        "io.edgetender.streams": "",
    }
    assert body["HostConfig"] == {
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "PortBindings": {
            "5001/tcp": [
                {"HostIp": "0.0.0.0", "HostPort": "6789"},
                {"HostIp": "127.0.0.1", "HostPort": "6790"},
            ],
            "53/udp": [{"HostIp": "0.0.0.0", "HostPort": "5353"}],
        },
        "Mounts": [
            {
                "Type": "volume",
                "Source": "edgetender-cache",
                "Target": "/cache",
                "ReadOnly": True,
                "VolumeOptions": {"Labels": {"io.edgetender.device": "line3-cam7"}},
            }
        ],
        "Memory": 268435456,
        "MemorySwap": 268435456,
        "NanoCpus": 1_500_000_000,
        "PidsLimit": 100,
        "DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}],
    }


def test_what_a_spec_leaves_open_is_left_to_the_image_and_the_engine() -> None:
    body = create_body(PLAIN, 1, "line3-cam7")
    assert "Cmd" not in body
    assert not {"Memory", "MemorySwap", "NanoCpus", "DeviceRequests", "CapAdd"} & body["HostConfig"].keys()
    assert body["HostConfig"]["PidsLimit"] == 4096  # one module's fork bomb is not the device's


def test_a_container_has_the_capabilities_it_was_given_and_no_others() -> None:
    body = create_body(replace(PLAIN, capabilities=("CHOWN", "SETUID")), 1, "line3-cam7")

    assert (body["HostConfig"]["CapDrop"], body["HostConfig"]["CapAdd"]) == (["ALL"], ["CHOWN", "SETUID"])


def test_a_read_only_container_writes_to_memory() -> None:
    config = create_body(replace(PLAIN, read_only=True), 1, "line3-cam7")["HostConfig"]

    assert config["ReadonlyRootfs"] is True
    assert config["Tmpfs"] == {"/tmp": "size=64m,mode=1777", "/run": "size=64m,mode=1777"}


def test_a_container_that_sends_messages_is_shown_its_socket_and_told_where_it_is() -> None:
    sending = replace(PLAIN, streams=(("alarms", "durable"), ("figures", "standard")))
    body = create_body(sending, 1, "line3-cam7", messages=Path("/run/edgetender/messages/one/messages.sock"))
    assert body["HostConfig"]["Mounts"] == [
        {
            "Type": "bind",
            "Source": "/run/edgetender/messages/one",
            "Target": "/run/edgetender",
            "ReadOnly": True,
        }
    ]
    assert body["Env"] == ["EDGETENDER_MESSAGES=/run/edgetender/messages.sock"]
    assert streams_of(body["Labels"]) == sending.streams
    assert sending.digest != PLAIN.digest


def test_what_older_specs_do_not_say_leaves_their_containers_alone() -> None:
    assert PLAIN.digest == replace(PLAIN, read_only=False, capabilities=()).digest
    assert (
        PLAIN.digest != replace(PLAIN, read_only=True).digest != replace(PLAIN, capabilities=("KILL",)).digest
    )


def test_a_command_of_no_words_is_not_the_image_s_own() -> None:
    assert create_body(replace(PLAIN, command=()), 1, "d")["Cmd"] == []


def test_the_name_changes_with_what_runs_and_not_with_how_it_is_judged() -> None:
    assert container_name(PLAIN) == f"edgetender-scorer-{PLAIN.digest[:12]}"
    assert container_name(replace(PLAIN, health=HealthSpec(port=1))) == container_name(PLAIN)
    assert container_name(replace(PLAIN, env=(("A", "b"),))) != container_name(PLAIN)
