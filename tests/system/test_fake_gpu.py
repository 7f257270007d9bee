"""A whole agent on a real engine with a fake NVIDIA stack.

Chosen, refused, left for the CPU; lost in service; its driver changed; hanging; with its memory damaged.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from demo.parts.waiting import TimedOut, until
from tests.builders.hardware import variant
from tests.builders.machines import write
from tests.services.fake_gpu import (
    CARD,
    CPU,
    CUDA,
    HANGING,
    LIBCUDA,
    Agent,
    agent,
    containers,
    library,
    nvidia_runtime,
    pinned,
    stack,
)

__all__ = ["agent", "nvidia_runtime", "pinned", "stack"]

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]


def test_a_card_is_chosen_its_injection_refused_and_the_cpu_serves(agent: Agent, pinned: str) -> None:
    trt = variant(
        "trt", {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5"}, "cuda": ">=12.0"}
    )
    cuda = variant("cuda", {"accelerator": "nvidia"})
    agent.apply(1, *({**one, "image": pinned} for one in (trt, cuda, variant("cpu"))))
    until(lambda: agent.serving() == "cpu", "the CPU's variant")
    first, second, third = agent.explain()["variants"]
    assert (first["verdict"], first["code"]) == ("demoted", "toolkit_missing")
    assert "could not select device driver" in first["because"]
    assert "install nvidia-container-toolkit" in first["because"]
    assert second["verdict"] == "demoted"  # one refusal tells of both: nothing was tried for it
    assert third["verdict"] == "chosen"
    capability = next(one for one in first["predicates"] if one["name"] == "accelerator.compute_capability")
    assert (capability["observed"], capability["source"]) == ("7.5", "libcuda")


def test_a_device_lost_in_service_is_left_for_the_next_variant_within_half_a_minute(
    agent: Agent, pinned: str, stack: Path
) -> None:
    agent.apply(1, variant("npu", {"device_node": "/dev/hailo0"}, image=pinned), variant("cpu", image=pinned))
    until(lambda: agent.serving() == "npu", "the accelerator's variant")
    (stack / "dev/hailo0").unlink()
    until(lambda: agent.serving() == "cpu", "the CPU's variant")
    assert agent.explain()["variants"][0]["verdict"] == "rejected"


def test_a_hanging_nvidia_smi_costs_five_seconds_and_no_service(
    tmp_path: Path, engine_socket: str, stack: Path, pinned: str
) -> None:
    (stack / LIBCUDA).unlink()
    smi = write(stack, {"usr/bin/nvidia-smi": HANGING}) / "usr/bin/nvidia-smi"
    smi.chmod(0o755)
    agent = Agent(tmp_path, engine_socket, stack)
    try:
        wanted = {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5"}}
        agent.apply(1, variant("trt", wanted, image=pinned), variant("cpu", image=pinned))
        until(lambda: agent.serving() == "cpu", "the CPU's variant")
        assert "unknown" in agent.explain()["variants"][0]["because"]
        facts = {one["name"]: one for one in agent.client.document("/v1/hardware")["facts"]}
        assert facts["nvidia_smi"]["code"] == "probe_timeout"
    finally:
        agent.end(engine_socket)


@pytest.fixture
def serving_on_the_card(nvidia_runtime: None, agent: Agent, pinned: str) -> Agent:
    agent.apply(1, *({**one, "image": pinned} for one in (CUDA, CPU)))
    until(lambda: agent.serving() == "cuda", "the card's variant")
    return agent


def test_a_card_lost_in_service_is_left_within_half_a_minute_and_waited_for_when_it_is_back(
    serving_on_the_card: Agent, stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = serving_on_the_card
    configuration = write(stack, {f"sys/bus/pci/devices/{CARD}/config": b"\xff" * 64}) / "sys/bus/pci/devices"
    began = time.monotonic()
    until(lambda: agent.serving() == "cpu", "the CPU's variant")
    with capsys.disabled():
        took = time.monotonic() - began
        sys.stdout.write(f"\nfrom the loss of the card to the next variant serving: {took:.1f} s\n")
    assert (agent.first()["verdict"], agent.first()["code"]) == ("rejected", "gpu_lost")
    (configuration / CARD / "config").write_bytes(b"\xde\x10" * 32)
    until(lambda: agent.first()["verdict"] == "eligible", "the card's return")
    assert agent.first()["because"].startswith("could run; taken once it has been so for long enough")
    assert agent.serving() == "cpu"


def test_a_card_that_is_back_for_long_enough_is_taken_again_and_one_that_says_nothing_is_not(
    nvidia_runtime: None, tmp_path: Path, engine_socket: str, stack: Path, pinned: str
) -> None:
    agent = Agent(tmp_path, engine_socket, stack, climb_after_s=3)
    configuration = stack / f"sys/bus/pci/devices/{CARD}/config"
    configuration.write_bytes(b"\xff" * 64)
    try:
        agent.apply(1, *({**one, "image": pinned} for one in (CUDA, CPU)))
        until(lambda: agent.serving() == "cpu", "the CPU's variant")
        (stack / LIBCUDA).rename(stack / "libcuda")
        configuration.write_bytes(b"\xde\x10" * 32)  # it is there, and nobody tells of what it can do
        until(lambda: "unknown" in agent.first()["because"], "a silent card")
        with pytest.raises(TimedOut):
            until(lambda: agent.serving() != "cpu", "a climb", within_s=8)
        (stack / "libcuda").rename(stack / LIBCUDA)
        until(lambda: agent.serving() == "cuda", "the card's variant")
        assert len(containers(engine_socket)) == 1
    finally:
        agent.end(engine_socket)


def test_a_driver_that_is_changed_without_a_restart_of_the_machine_stops_nothing(
    serving_on_the_card: Agent, stack: Path, engine_socket: str
) -> None:
    agent, before = serving_on_the_card, containers(engine_socket)
    library(stack, init=803)
    until(lambda: agent.first()["code"] == "held", "the driver's change")
    assert agent.first()["because"] == "kept while it runs: the driver was changed, start the machine anew"
    assert (agent.serving(), containers(engine_socket)) == ("cuda", before)


def test_a_damaged_memory_is_begun_anew_and_what_runs_goes_on(
    serving_on_the_card: Agent, tmp_path: Path, engine_socket: str, stack: Path, pinned: str
) -> None:
    agent, before = serving_on_the_card, containers(engine_socket)
    agent.leave()
    (tmp_path / "state" / "state.db").write_bytes(b"no database" * 1000)
    again = Agent(tmp_path, engine_socket, stack)
    try:
        again.apply(1, *({**one, "image": pinned} for one in (CUDA, CPU)))
        until(lambda: again.serving() == "cuda", "the card's variant")
        assert containers(engine_socket) == before
        assert "state" in str(again.client.status()["notes"])
    finally:
        again.end(engine_socket)


def test_a_person_pins_lets_go_and_forgets_and_what_was_decided_is_replayed_elsewhere(
    serving_on_the_card: Agent, tmp_path: Path
) -> None:
    agent = serving_on_the_card
    agent.run("variant", "pin", "scorer", "cpu")
    until(lambda: agent.serving() == "cpu", "the pinned variant")
    agent.run("variant", "unpin", "scorer")
    until(lambda: agent.serving() == "cuda", "the first that fits")
    agent.run("variant", "forget", "scorer")
    saved = tmp_path / "saved.json"
    saved.write_text(agent.run("facts", "export", "-o", "json"))
    here = agent.run("explain", "scorer", "-o", "json")
    assert agent.run("explain", "scorer", "--facts", str(saved), "-o", "json") == here
    assert json.loads(here)["chosen"] == "cuda"
