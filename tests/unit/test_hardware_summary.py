"""hardware in a few lines: what is shown of an accelerator, and which doubts are worth a line with what helps."""

from __future__ import annotations

import pytest

from edgetender.cli.hardware_summary import summary_lines
from edgetender.cli.output import Style
from edgetender.model.hardware import Fact, Hardware, merged
from tests.builders.hardware import gpu, machine, of_h100


def told(found: Hardware, *more: Fact) -> str:
    return "\n".join(summary_lines(merged(more, found.facts), Style()))


def test_a_machine_without_an_accelerator_has_no_doubts_about_one():
    said = told(machine(nvidia_driver=None, toolkit=None, cuda=None))
    assert "accelerator  none" in said
    assert "‼" not in said


def test_what_the_engine_can_hand_over_is_shown():
    engine = {
        "docker": "27.5.1",
        "runtimes": ("nvidia", "runc"),
        "cdi_devices": ("nvidia.com/gpu=all",),
        "cdi": True,
    }
    assert "containers    docker 27.5.1, runtimes nvidia runc, CDI nvidia.com/gpu=all" in told(
        of_h100(**engine)
    )


def test_a_card_that_no_container_could_have_is_a_doubt_with_the_command_that_helps():
    said = told(of_h100(docker="27.5.1", runtimes=("runc",), cdi=False))
    assert "‼ containers  the engine has no nvidia runtime and no CDI" in said
    assert "fix   apt-get install nvidia-container-toolkit" in said
    missing = Fact("accelerator", "none", "/dev", "/dev/nvidiactl is missing: containers would see no device")
    assert "‼ containers  /dev/nvidiactl is missing" in told(of_h100(), missing)


@pytest.mark.parametrize(
    ("fact", "shown", "doubt"),
    [
        (Fact("driven", False, "PCI", "no kernel driver has taken it", "gpu0", code="driver_missing"), "not driven",
         "gpu0 driven  no: no kernel driver has taken it"),
        (Fact("healthy", False, "NVML", "it has fallen off the bus", "gpu0", code="gpu_lost"), "not healthy",
         "gpu0 healthy  no: it has fallen off the bus"),
        (Fact("usable", False, "NVML", "MIG is on, without an instance", "gpu0", code="mig_no_instance"), "not usable",
         "gpu0 usable  no: MIG is on, without an instance\n     fix   nvidia-smi mig -cgi PROFILE -C"),
        (Fact("compute_capability", None, "PCI", "no library says it", "gpu0"), "nvidia discrete, 10 GiB",
         "gpu0 compute_capability  unknown: no library says it"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_told_with_its_reason_and_what_helps(fact, shown, doubt):
    said = told(machine(gpu(), nvidia_driver="580.1"), fact)
    assert shown in said
    assert f"‼ {doubt}" in said


def test_where_no_driver_is_loaded_that_is_said_once_with_what_helps_and_not_all_that_follows_from_it():
    undriven = gpu(driven=False, healthy=None, compute_capability="8.6")
    found = machine(undriven, accelerator="none", nvidia_driver=None, cuda=None, toolkit=None)
    said = told(found)
    assert (
        "‼ nvidia_driver  unknown: said so\n     fix   apt-get install nvidia-driver, then reboot\n‼ gpu0 driven"
        in said
    )
    assert not {word for word in ("cuda", "toolkit", "‼ containers") if word in said}


def test_a_card_of_which_containers_get_instances_is_as_it_should_be():
    parent = Fact(
        "usable",
        False,
        "NVML",
        "MIG is on: a container gets one of its 4 instances",
        "gpu0",
        code="mig_parent",
    )
    said = told(machine(gpu(mig="Enabled"), nvidia_driver="580.1"), parent)
    assert "MIG enabled, 10 GiB, driven, healthy\n" in said
    assert "‼" not in said


def test_another_vendors_accelerator_without_a_driver_is_told_without_a_command_for_nvidias():
    npu = {"vendor": "hailo", "kind": "npu", "name": "Hailo-8"}
    fact = Fact("driven", False, "PCI", "no kernel driver has taken it", "gpu0", code="driver_missing")
    said = told(machine(npu), fact)
    assert "gpu0    Hailo-8, not driven" in said
    assert "fix" not in said


def test_an_accelerator_inside_the_chip_needs_no_driver_of_cards():
    chip = gpu(key="tegra", kind="integrated", name="Orin", compute_capability="8.7", unified_memory=True)
    found = machine(chip, nvidia_driver=None, cuda="12.6", tensorrt="10.3.0", l4t="36.4.3")
    said = told(found)
    assert "nvidia  CUDA 12.6, TensorRT 10.3.0, L4T 36.4.3" in said
    assert "tegra   Orin, compute capability 8.7, memory shared with the machine, driven, healthy" in said
    assert "‼" not in said
