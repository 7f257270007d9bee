"""How an accelerator is asked for, and what the engine's refusals mean."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edgetender.decide.injecting import injection_of
from edgetender.decide.look import look_at
from edgetender.engine.create_args import create_body
from edgetender.engine.outcomes import refusal
from edgetender.errors import EngineRefused
from edgetender.model.target import ContainerSpec, Injection
from tests.builders.hardware import gpu, machine
from tests.builders.machines import RECORDINGS

PLAIN = ContainerSpec("scorer", "cuda", "registry.example/scorer@sha256:" + "a" * 64, gpu=True)
INTEL = {"vendor": "intel", "nodes": ("/dev/dri/renderD128",), "group": 104}


def asked(injection: Injection | None, **more: Any) -> dict[str, Any]:
    body = create_body(replace(PLAIN, injection=injection, **more), 1, "line3")
    return body["HostConfig"] | {"Env": body["Env"]}


def test_a_card_is_pinned_by_its_uuid():
    one = injection_of(("gpu1",), look_at(machine(gpu(), gpu(uuid="GPU-2"))))
    assert one == Injection("nvidia", ("GPU-2",))
    assert asked(one)["DeviceRequests"] == [{"Driver": "", "DeviceIDs": ["GPU-2"], "Capabilities": [["gpu"]]}]


def test_a_card_of_which_no_uuid_is_known_is_any_card():
    one = injection_of(("gpu0",), look_at(machine(gpu())))
    assert asked(one)["DeviceRequests"] == [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
    assert asked(None)["DeviceRequests"] == asked(one)["DeviceRequests"]


def test_a_jetson_s_accelerator_comes_by_nvidia_s_runtime():
    one = injection_of(("gpu0",), look_at(machine(gpu(uuid="x"), tegra=True)))
    config = asked(one, env=(("NVIDIA_DRIVER_CAPABILITIES", "all"),))
    assert config["Runtime"] == "nvidia"
    assert "DeviceRequests" not in config
    assert config["Env"] == ["NVIDIA_DRIVER_CAPABILITIES=all", "NVIDIA_VISIBLE_DEVICES=all"]


def test_where_there_is_no_cdi_the_registered_runtime_hands_over_the_card():
    old = look_at(machine(gpu(uuid="GPU-1"), cdi=False, runtimes=("nvidia", "runc")))
    config = asked(injection_of(("gpu0",), old))
    assert config["Runtime"] == "nvidia"
    assert "NVIDIA_VISIBLE_DEVICES=GPU-1" in config["Env"]
    new = look_at(machine(gpu(uuid="GPU-1"), cdi=True, runtimes=("nvidia", "runc")))
    assert "Runtime" not in asked(injection_of(("gpu0",), new))


def test_others_are_handed_over_by_node_and_group():
    one = injection_of(("gpu0",), look_at(machine(INTEL)))
    config = asked(one, gpu=False)
    assert config["Devices"] == [
        {
            "PathOnHost": "/dev/dri/renderD128",
            "PathInContainer": "/dev/dri/renderD128",
            "CgroupPermissions": "rwm",
        }
    ]
    assert config["GroupAdd"] == ["104"]
    assert "DeviceRequests" not in config


def test_without_an_accelerator_nothing_is_asked_for_and_the_spec_is_the_same_as_ever():
    assert injection_of((), look_at(machine())) is None
    assert not {"DeviceRequests", "Devices", "Runtime", "GroupAdd"} & asked(None, gpu=False).keys()
    assert PLAIN.digest == replace(PLAIN, injection=None).digest
    assert PLAIN.digest != replace(PLAIN, injection=Injection("nvidia", ("GPU-1",))).digest


def lines(name: str) -> list[dict[str, Any]]:
    path = RECORDINGS / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


REFUSED = [
    (one["http"], one["text"], one["reason"])
    if one["http"] >= 400
    else (one["start_http"], one["start_text"], one["reason"])
    for one in lines("docker/api-outcomes-20.10.24.jsonl")
    if one["http"] >= 400 or one.get("start_http", 0) >= 400
] + [(500, one["text"], one["reason"]) for one in lines("text/docker-errors.jsonl")]


@pytest.mark.parametrize(("status", "words", "reason"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_recorded_refusal_has_its_reason(status: int, words: str, reason: str):
    error = refusal("start container 3f", status, words)
    assert type(error) is EngineRefused
    assert error.code == f"engine.{reason}"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "toolkit_missing"),
        ("failed to inject: unresolvable CDI devices nvidia.com/gpu=GPU-1: unknown", "cdi_spec_missing"),
        ("nvml error: DRIVER/LIBRARY version mismatch: unknown", "driver_library_mismatch"),
        (
            'error gathering device information while adding custom device "/dev/hailo0": no such file',
            "device_node_missing",
        ),
        ('exec: "x": executable file not found in $PATH: unknown', "bad_entrypoint"),
    ],
)
def test_a_refusal_in_any_spelling_has_its_reason(words: str, reason: str):
    prefix = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    assert refusal("start x", 500, prefix + words).code == f"engine.{reason}"


def test_any_other_refusal_stays_what_it_was():
    assert refusal("start x", 500, "driver failed programming external connectivity").code == "engine.refused"
    assert EngineRefused.code == "engine.refused"
