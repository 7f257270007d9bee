"""On a machine with a real NVIDIA card: do the probes say what nvidia-smi says? Elsewhere it is skipped."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from edgetender.model.compat import builtin
from edgetender.model.hardware import Hardware
from edgetender.probes import detect, nvidia_smi
from edgetender.probes.nvidia_smi import Said
from edgetender.probes.nvidia_sources import ask
from edgetender.probes.programs import Children
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
    assert builtin().cuda_of_driver(said.driver).value == said.cuda  # type: ignore[union-attr]


def test_every_card_is_found_once_with_its_uuid_memory_and_capability(hardware: Hardware, said: Said) -> None:
    cards = [
        one for one in hardware.devices if one.value("vendor") == "nvidia" and not one.value("mig_instance")
    ]
    assert {one.value("uuid") for one in cards} == {gpu.uuid for gpu in said.gpus}
    query = ("nvidia-smi", "--query-gpu=uuid,compute_cap", "--format=csv,noheader")
    lines = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    capabilities = dict(tuple(part.strip() for part in line.split(",")) for line in lines)
    for gpu in said.gpus:
        (card,) = [one for one in cards if one.value("uuid") == gpu.uuid]
        assert card.value("name") == gpu.name
        assert card.value("compute_capability") == capabilities[gpu.uuid]
        assert card.value("healthy") is True
        assert card.value("kind") == "discrete"
        total = card.value("memory_bytes")
        assert isinstance(total, int)
        assert gpu.memory_bytes
        assert abs(total - gpu.memory_bytes) < 0.03 * gpu.memory_bytes  # the driver keeps some for itself


def test_the_libraries_are_asked_before_the_program_and_both_answer() -> None:
    names = [source.name for source in ask(Tree(Path("/")), Children())]
    assert names == ["libcuda", "NVML"]


def test_detection_takes_a_second_and_a_half_at_most_once_the_driver_is_awake(hardware: Hardware) -> None:
    assert hardware.devices
    began = time.monotonic()
    detect()
    assert time.monotonic() - began < 1.5
