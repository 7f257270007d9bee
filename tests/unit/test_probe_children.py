"""Programs and libraries that hang, crash or lie cost a bounded time and become facts with a reason."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgetender.model.hardware import Hardware
from edgetender.probes import detect
from edgetender.probes.programs import DEADLINE_S, Answer, Children
from tests.builders.machines import write
from tests.builders.nvidia import BOX, CARD, CUDA_STUB, DRIVER, NVML_STUB


def said(hardware: Hardware, name: str, device: str = "") -> tuple[object, str]:
    fact = hardware.fact(name, device)
    assert fact is not None, name
    return fact.value, fact.code


def recorded(root: Path, **answers: object) -> Hardware:
    files = {f"recorded/{name}.json": json.dumps(answer) for name, answer in answers.items()}
    return detect(write(root, BOX | files))


def test_a_child_that_hangs_is_ended_at_its_deadline() -> None:
    answer = Children()("sleeper", ("sleep", "3600"), 0.2)
    assert answer.code == "probe_timeout"
    assert "0.2 s" in answer.detail


def test_a_grandchild_that_keeps_the_output_open_blocks_nobody() -> None:
    answer = Children()("parent", ("sh", "-c", "echo here; (trap '' TERM; sleep 60) & exit 0"), 30)
    assert (answer.exit_code, answer.output) == (0, "here\n")  # and not that it took more than 30 s


def test_a_child_that_crashes_says_by_which_signal() -> None:
    answer = Children()("crasher", ("sh", "-c", "kill -SEGV $$"))
    assert (answer.code, answer.detail) == ("probe_crashed", "crasher was ended by signal 11")


def test_a_program_that_is_not_there_is_no_error() -> None:
    assert Children()("nvidia-smi", ("/no/such/program",)).code == "not_installed"


def test_no_room_for_what_a_program_says_is_no_error() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        answer = Children()("nvidia-smi", ("echo", "here"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (answer.good, answer.code) == (False, "no_room")
    assert "nvidia-smi cannot be asked: " in answer.detail


def test_a_child_sees_no_choice_of_devices_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    answer = Children()(
        "env", (sys.executable, "-c", "import os; print(sorted(k for k in os.environ if 'CUDA' in k))")
    )
    assert answer.output == "[]\n"


class Wedged:
    """Every program hangs: each call costs its deadline, which is counted instead of waited for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, name: str, argv: Sequence[str], deadline_s: float = DEADLINE_S) -> Answer:
        self.asked.append(name)
        return Answer(code="probe_timeout", detail=f"{name} gave no answer in {deadline_s:g} s")


def test_a_wedged_driver_costs_one_deadline_and_leaves_the_rest_known(tmp_path: Path) -> None:
    libraries = {"usr/lib64/libcuda.so.1": "", "usr/lib64/libnvidia-ml.so.1": "", "usr/bin/nvidia-smi": ""}
    programs = Wedged()
    hardware = detect(write(tmp_path, BOX | libraries), programs=programs)
    assert programs.asked == ["cuda"]  # who hangs shows that the driver is wedged
    assert said(hardware, "nvidia_libcuda") == (None, "probe_timeout")
    assert hardware.value("nvidia_driver") == "535.104.05"
    assert said(hardware, "driven", CARD)[0] is False  # no driver link in this tree
    assert hardware.fact("compute_capability", CARD) is None


def test_only_nvidia_smi_hangs_when_there_are_no_libraries(tmp_path: Path) -> None:
    programs = Wedged()
    hardware = detect(write(tmp_path, BOX | {"usr/bin/nvidia-smi": ""}), programs=programs)
    assert programs.asked == ["nvidia-smi"]
    assert said(hardware, "nvidia_smi") == (None, "probe_timeout")
    assert hardware.value("cuda") == "12.2"  # by the driver's own file and the tables
    assert hardware.fact("cuda").low  # type: ignore[union-attr]


def test_a_machine_without_any_sign_of_a_card_starts_no_program(tmp_path: Path) -> None:
    programs = Wedged()
    detect(write(tmp_path, {"proc/cpuinfo": "processor : 0\n"}), programs=programs)
    assert programs.asked == []


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make a library with")
@pytest.mark.parametrize(
    ("init", "code"), [("0", ""), ("803", "driver_library_mismatch"), ("100", "no_cuda_device")]
)
def test_a_real_library_is_asked_in_a_child(tmp_path: Path, init: str, code: str) -> None:
    root = write(tmp_path / "root", BOX)
    library = root / "usr/lib64/libcuda.so.1"
    library.parent.mkdir(parents=True)
    (tmp_path / "stub.c").write_text(CUDA_STUB % {"init": init})
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "stub.c")), check=True)
    hardware = detect(root, programs=Children())
    if code:
        assert said(hardware, "nvidia_libcuda") == (None, code)
        return
    assert hardware.value("cuda") == "12.2"
    assert said(hardware, "compute_capability", CARD) == ("7.5", "")  # its name would not tell
    assert hardware.value("memory_bytes", CARD) == 6 * 2**30
    assert hardware.value("name", CARD) == "Graphics Device"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make a library with")
@pytest.mark.parametrize("body", ["*(volatile int*)0 = 1; return 0;", "for(;;);"])
def test_a_library_that_crashes_or_spins_takes_nothing_with_it(tmp_path: Path, body: str) -> None:
    root = write(tmp_path / "root", BOX)
    library = root / "usr/lib64/libcuda.so.1"
    library.parent.mkdir(parents=True)
    (tmp_path / "stub.c").write_text(f"int cuInit(int f){{{body}}}")
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "stub.c")), check=True)

    def briefly(name: str, argv: Sequence[str], deadline_s: float = 1.0) -> Answer:
        return Children()(name, argv, min(deadline_s, 1.0))

    hardware = detect(root, programs=briefly)
    assert said(hardware, "nvidia_libcuda")[1] in ("probe_crashed", "probe_timeout")


# --- what the answers mean ---


def card(**more: object) -> dict[str, object]:
    return {
        "name": "RTX 3080",
        "uuid": "GPU-1",
        "pci": f"00000000:{CARD[5:]}",
        "major": 8,
        "minor": 6,
        **more,
    }


def test_a_card_that_is_lost_is_not_healthy_and_its_neighbour_is(tmp_path: Path) -> None:
    log = "Linux version 6.1\nNVRM: Xid (PCI:0000:01:00): 79, pid='<unknown>', GPU has fallen off the bus.\n"
    two = [card(), card(uuid="GPU-2", pci="00000000:02:00.0")]
    files = {"recorded/kernel.log": log, "recorded/nvml.json": json.dumps({"devices": two})}
    hardware = detect(write(tmp_path, BOX | files))
    assert said(hardware, "healthy", CARD) == (False, "gpu_lost")
    assert said(hardware, "healthy", "0000:02:00.0") == (True, "")


def test_a_card_that_the_driver_does_not_list_beside_others_is_none(tmp_path: Path) -> None:
    """Of eight cards in the machine a container sees those it was given; one may be kept for a virtual machine."""
    second = "sys/bus/pci/devices/0000:02:00.0"
    files = {f"{second}/vendor": "0x10de", f"{second}/class": "0x030200", f"{second}/device": "0x2330"}
    one = {"recorded/nvml.json": json.dumps({"devices": [card(), {"error": 15}]})}
    hardware = detect(write(tmp_path, BOX | files | one))
    assert said(hardware, "healthy", CARD) == (True, "")
    assert said(hardware, "healthy", "0000:02:00.0") == (False, "gpu_not_listed")


def test_a_driver_older_than_mig_still_says_the_rest(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make a library with")
    root = write(tmp_path / "root", BOX)
    library = root / "usr/lib64/libnvidia-ml.so.1"
    library.parent.mkdir(parents=True)
    (tmp_path / "stub.c").write_text(NVML_STUB)
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "stub.c")), check=True)
    hardware = detect(root, programs=Children())
    assert hardware.value("cuda") == "10.1"
    assert said(hardware, "uuid", CARD) == ("GPU-1", "")
    assert said(hardware, "compute_capability", CARD) == ("6.1", "")


def test_what_was_lost_before_the_last_start_is_not_lost_now(tmp_path: Path) -> None:
    log = "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.\nLinux version 6.1\n"
    files = {"recorded/kernel.log": log, "recorded/nvml.json": json.dumps({"devices": [card()]})}
    assert detect(write(tmp_path, BOX | files)).value("healthy", CARD) is True


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 63, 68, 109])
def test_an_application_s_fault_is_none_of_the_card(tmp_path: Path, xid: int) -> None:
    log = f"Linux version 6.1\nNVRM: Xid (PCI:0000:01:00): {xid}, pid=7, Ch 00000008\n"
    files = {"recorded/kernel.log": log, "recorded/nvml.json": json.dumps({"devices": [card()]})}
    assert detect(write(tmp_path, BOX | files)).value("healthy", CARD) is True


def test_a_configuration_of_ones_is_a_card_off_the_bus(tmp_path: Path) -> None:
    hardware = detect(write(tmp_path, BOX | {f"sys/bus/pci/devices/{CARD}/config": b"\xff" * 64}))
    assert said(hardware, "healthy", CARD) == (False, "gpu_lost")


def test_memory_not_supported_is_normal_inside_a_chip_and_a_loss_on_a_card(tmp_path: Path) -> None:
    lost = recorded(tmp_path / "a", nvml={"devices": [card(memory_supported=False)]})
    assert said(lost, "healthy", CARD) == (False, "gpu_lost")
    chip = card(name="NVIDIA GB10", major=12, minor=1, memory_supported=False)
    spark = recorded(tmp_path / "b", nvml={"devices": [chip]})
    assert spark.value("healthy", CARD) is True
    assert spark.value("unified_memory", CARD) is True
    assert spark.value("memory_bytes", CARD) == 16000000 * 1024


def test_with_mig_each_instance_is_a_device_and_the_card_is_none(tmp_path: Path) -> None:
    instances = [{"uuid": f"MIG-{n}", "memory": 10 * 2**30} for n in range(2)]
    hardware = recorded(tmp_path, nvml={"devices": [card(mig=True, instances=instances)]})
    assert said(hardware, "usable", CARD) == (False, "mig_parent")
    assert hardware.value("uuid", f"{CARD}/mig1") == "MIG-1"
    assert hardware.value("memory_bytes", f"{CARD}/mig1") == 10 * 2**30


def test_mig_without_an_instance_gives_no_device(tmp_path: Path) -> None:
    hardware = recorded(tmp_path, nvml={"devices": [card(mig=True, instances=[])]})
    assert said(hardware, "usable", CARD) == (False, "mig_no_instance")
    assert len(hardware.devices) == 1


def test_a_library_that_does_not_fit_the_module_is_not_consistent(tmp_path: Path) -> None:
    hardware = recorded(
        tmp_path, cuda={"error": 803}, nvml={"error": 18, "detail": "Driver/library version mismatch"}
    )
    assert said(hardware, "consistent", CARD) == (False, "driver_library_mismatch")


@pytest.mark.parametrize(
    "answer", ["", "[]", "null", '{"devices": 3}', '{"devices": [{"pci": 4}]}', "\0" * 50]
)
def test_an_answer_that_makes_no_sense_is_no_answer(tmp_path: Path, answer: str) -> None:
    hardware = detect(write(tmp_path, BOX | {"recorded/cuda.json": answer, "recorded/nvml.json": answer}))
    assert said(hardware, "nvidia_libcuda") == (None, "garbage")


def test_on_jetson_the_release_tells_the_cuda_and_not_the_branch_of_the_driver(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/compatible": "nvidia,p3768\0nvidia,tegra234\0",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 1\n",
        "proc/driver/nvidia/version": DRIVER.replace("535.104.05", "540.4.0"),
        "dev/nvgpu/igpu0/ctrl": "",
    }
    hardware = detect(write(tmp_path, files))
    assert (hardware.value("cuda"), hardware.value("jetpack")) == ("12.6", "6.2")
    assert hardware.value("compute_capability", "tegra") == "8.7"


def test_a_release_newer_than_the_tables_falls_back_to_its_major(tmp_path: Path) -> None:
    files = {
        "proc/device-tree/compatible": "nvidia,tegra234\0",
        "etc/nv_tegra_release": "# R39 (release), REVISION: 9.1, GCID: 1\n",
    }
    fact = detect(write(tmp_path, files)).fact("jetpack")
    assert fact is not None
    assert (fact.value, fact.low) == ("7", True)


def test_a_link_in_a_recorded_tree_leads_nowhere_outside_of_it(tmp_path: Path) -> None:
    secret = write(tmp_path / "outside", {"model": "of the host\n"})
    root = write(tmp_path / "root", {"proc/cpuinfo": ""})
    (root / "sys/class/dmi").mkdir(parents=True)
    (root / "sys/class/dmi/id").symlink_to(secret)
    assert detect(root).value("dmi_product_name") is None
    (root / "proc/circle").symlink_to("circle")
    assert detect(root).facts
