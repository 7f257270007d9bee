"""On a machine with a real NVIDIA card: do the probes say what nvidia-smi says? Elsewhere it is skipped.

Neither an engine nor root is needed, and it may be a container: then the bus shows cards that it was not given.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgetender.model.compat import builtin
from edgetender.model.hardware import Hardware
from edgetender.model.versions import compared, numbers
from edgetender.probes import detect, nvidia_smi
from edgetender.probes.nvidia_smi import Said
from edgetender.probes.nvidia_sources import ask
from edgetender.probes.programs import DEADLINE_S, Children
from edgetender.probes.tree import Tree

pytestmark = pytest.mark.skipif(
    shutil.which("nvidia-smi") is None, reason="no NVIDIA card here: there is no nvidia-smi"
)


@pytest.fixture(scope="module")
def hardware() -> Hardware:
    return detect()


@pytest.fixture(scope="module")
def said() -> Said:
    done = subprocess.run(("nvidia-smi", "-q", "-x"), capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"nvidia-smi does not answer here: {done.stdout[:200]}")
    return nvidia_smi.xml(done.stdout)


def test_driver_and_cuda_are_those_of_nvidia_smi(hardware: Hardware, said: Said) -> None:
    assert hardware.value("nvidia_driver") == said.driver
    assert hardware.value("cuda") == said.cuda
    known, newest = builtin().cuda_of_driver(said.driver), numbers(said.cuda)
    assert known is not None
    assert newest is not None
    least = numbers(known.value)
    assert least is not None
    # an image's own libcuda (cuda-compat) and a driver that the tables do not know may both run newer ones
    assert compared(least, newest) <= 0


def test_every_card_is_found_once_with_its_uuid_memory_and_capability(hardware: Hardware, said: Said) -> None:
    cards = [
        one for one in hardware.devices if one.value("vendor") == "nvidia" and not one.value("mig_instance")
    ]
    unlisted = [one for one in cards if (fact := one.fact("healthy")) and fact.code == "gpu_not_listed"]
    assert {one.value("uuid") for one in cards if one not in unlisted} == {gpu.uuid for gpu in said.gpus}
    query = ("nvidia-smi", "--query-gpu=uuid,compute_cap", "--format=csv,noheader")
    lines = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    capabilities = dict(tuple(part.strip() for part in line.split(",")) for line in lines)
    for gpu in said.gpus:
        (card,) = [one for one in cards if one.value("uuid") == gpu.uuid]
        if gpu.mig == "Enabled":  # CUDA sees its instances, and speaks of those
            assert card.value("mig_devices") == len(gpu.instances)
            continue
        assert card.value("name") == gpu.name
        assert card.value("compute_capability") == capabilities[gpu.uuid]
        assert card.value("healthy") is True
        assert card.value("kind") == "discrete"
        total = card.value("memory_bytes")
        assert isinstance(total, int)
        assert gpu.memory_bytes
        assert abs(total - gpu.memory_bytes) < 0.03 * gpu.memory_bytes  # the driver keeps some for itself


def test_the_libraries_are_asked_before_the_program_and_both_answer() -> None:
    found = {source.name: source.said for source in ask(Tree(Path("/")), Children())}
    if "libcuda" not in found:  # NVIDIA_DRIVER_CAPABILITIES=utility
        pytest.skip("this container was given nvidia-smi and no libcuda")
    assert list(found) == ["libcuda", "NVML"]
    assert [said.code for said in found.values()] == ["", ""]


def test_detection_costs_less_than_one_deadline(
    hardware: Hardware, capsys: pytest.CaptureFixture[str]
) -> None:
    """cuInit wakes every card that nobody holds open: a second or so for each, unless persistence mode is on."""
    assert hardware.devices
    began = time.monotonic()
    detect()
    took = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(f"\ndetection with {len(hardware.devices)} devices: {took:.2f} s\n")
    assert took < DEADLINE_S
