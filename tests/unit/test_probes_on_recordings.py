"""What is found on machines that others recorded: the files of their kernels, below a root of ours."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from edgetender.model.hardware import Hardware
from edgetender.probes import detect
from edgetender.probes.programs import Children
from tests.builders.machines import write

RECORDINGS = Path(__file__).parents[3] / "shared" / "fixtures" / "hardware"
pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not in {RECORDINGS}")
EXPECTED: dict[str, dict[str, Any]] = (
    json.loads((RECORDINGS / "expected.json").read_text()) if RECORDINGS.is_dir() else {}
)
CPUINFO = sorted(key.removeprefix("cpuinfo/") for key in EXPECTED if key.startswith("cpuinfo/"))
DRIVERS = (
    [
        json.loads(line)
        for line in (RECORDINGS / "text/proc-driver-nvidia-version.jsonl").read_text().splitlines()
    ]
    if RECORDINGS.is_dir()
    else []
)
JETSONS = json.loads((RECORDINGS / "jetson/jetson.json").read_text()) if RECORDINGS.is_dir() else []
LOOKED_AT = {"cpuinfo", "meminfo", "vendor", "class", "product_name", "board_name"}
H100 = {
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
}
SOUND = {
    "sys/bus/pci/devices/0000:01:00.1/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n",
}


def machine(root: Path, files: dict[str, str | bytes]) -> Hardware:
    """What is found where these *files* are all there is."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return detect(root)


def recorded_cpu(root: Path, name: str) -> Hardware:
    return machine(root, {"proc/cpuinfo": (RECORDINGS / "cpuinfo" / name).read_bytes()})


def unpacked(root: Path, name: str) -> Hardware:
    """A recording of whole /proc and /sys trees; of its thousands of files, those that are looked at."""
    with tarfile.open(RECORDINGS / "sysfs" / name) as archive:
        for member in archive:
            wanted = member.isreg() and Path(member.name).name in LOOKED_AT
            if wanted or (
                member.issym() and not member.linkname.startswith("/") and "/bus/pci" in member.name
            ):
                archive.extract(member, root, filter="tar")
    (inner,) = [path.parent for path in (*root.glob("proc"), *root.glob("*/proc"))]
    return detect(inner)


@pytest.mark.parametrize("name", CPUINFO)
def test_every_recorded_machine_has_processors_and_nothing_raises(tmp_path: Path, name: str) -> None:
    hardware = recorded_cpu(tmp_path, name)
    expected = EXPECTED[f"cpuinfo/{name}"]
    count = hardware.value("cpu_count")
    assert isinstance(count, int)
    assert count >= 1
    assert count == expected.get("logical_cpus_in_file", count)
    if "model_name" in expected:
        assert hardware.value("cpu_model") == expected["model_name"]


@pytest.mark.parametrize(
    ("name", "model", "count"),
    [
        ("archspec-linux-amazon-neoverse_v1.txt", "Neoverse-V1", 1),
        ("cadvisor-cpuinfo_rpi4.txt", "Cortex-A72", 4),  # its `Model` is the board
        ("cadvisor-cpuinfo_arm.txt", "Cortex-A53", 4),  # its `model name` is `ARMv7 Processor rev 4`
        ("procfs-cpuinfoArm7Legacy.txt", "Cortex-A7", 2),
        ("ptcpuinfo-huawei-mate-10.txt", "Cortex-A53 + Cortex-A73", 8),
        ("pycpuinfo-odroid_xu3_arm_32.txt", "Cortex-A7 + Cortex-A15", 8),
        ("ptcpuinfo-galaxy-s8-us.txt", "Qualcomm Technologies, Inc MSM8998", 8),
        ("archspec-linux-asahi-m1.txt", "Apple part 0x022", 1),
        ("ptcpuinfo-nexus-s.txt", "Cortex-A8", 1),  # one core, no line `processor`
        ("pycpuinfo-new_world_loongarch64.txt", "Loongson-3A5000", 4),
        ("pycpuinfo-ubuntu_21_04_riscv64.txt", "sifive,u74-mc", 4),
        ("archspec-linux-unknown-power10.txt", "POWER10, altivec supported", 1),
        ("pycpuinfo-fedora_5_s390x.txt", None, 4),
        ("gopsutil-1958.txt", "Hygon C86-4G (OPN:5435)", 1),
    ],
)
def test_a_processor_is_named_as_its_maker_does(
    tmp_path: Path, name: str, model: str | None, count: int
) -> None:
    hardware = recorded_cpu(tmp_path, name)
    assert (hardware.value("cpu_model"), hardware.value("cpu_count")) == (model, count)


def test_what_cannot_be_known_says_why(tmp_path: Path) -> None:
    hardware = detect(tmp_path)
    for fact in hardware.facts:
        assert fact.value is not None or fact.detail, fact
        assert fact.source
    assert hardware.value("accelerator") == "none"


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver["driver"])
def test_a_driver_tells_its_version_in_both_spellings(tmp_path: Path, driver: dict[str, Any]) -> None:
    hardware = machine(
        tmp_path, {"proc/driver/nvidia/version": driver["text"], "dev/nvidiactl": ""} | H100 | SOUND
    )
    assert hardware.value("nvidia_driver") == driver["driver"]
    fact = hardware.fact("nvidia_driver")
    assert fact is not None
    assert ("open" in fact.detail) is driver["open"]
    assert hardware.value("nvidia_devices") == 1  # the card's sound device is none
    assert hardware.value("accelerator") == "nvidia"


def accelerator(root: Path, files: dict[str, str | bytes]) -> tuple[object, str]:
    fact = machine(root, files).fact("accelerator")
    assert fact is not None
    return fact.value, fact.detail


def test_a_device_that_no_driver_has_taken_is_no_accelerator(tmp_path: Path) -> None:
    assert accelerator(tmp_path, H100) == (
        "none",
        "an NVIDIA device is there, but no driver has taken it: install the NVIDIA driver",
    )


def test_a_driver_without_its_device_node_is_no_accelerator(tmp_path: Path) -> None:
    value, why = accelerator(tmp_path, H100 | {"proc/driver/nvidia/version": DRIVERS[0]["text"]})
    assert value == "none"
    assert "/dev/nvidiactl is missing" in why


def test_a_driver_whose_device_fell_off_the_bus_is_no_accelerator(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia/gpus").mkdir(parents=True)
    value, why = accelerator(
        tmp_path, {"proc/driver/nvidia/version": DRIVERS[0]["text"], "dev/nvidiactl": ""}
    )
    assert value == "none"
    assert "drives no device" in why


def test_a_driver_is_known_by_its_module_where_proc_says_nothing(tmp_path: Path) -> None:
    hardware = machine(tmp_path, {"sys/module/nvidia/version": "580.65.06\n", "dev/nvidiactl": ""})
    assert hardware.value("nvidia_driver") == "580.65.06"
    assert hardware.value("accelerator") == "nvidia"


@pytest.mark.parametrize("text", ["", "NVRM version:", "garbage 1.2", "\0\0\0"])
def test_a_driver_that_says_no_version_is_unknown(tmp_path: Path, text: str) -> None:
    assert machine(tmp_path, {"proc/driver/nvidia/version": text}).value("nvidia_driver") is None


@pytest.mark.parametrize("node", ["dev/nvhost-ctrl-gpu", "dev/nvgpu/igpu0/ctrl"])
@pytest.mark.parametrize("record", JETSONS, ids=lambda record: record["id"])
def test_a_jetson_is_an_accelerator_once_its_gpu_has_a_node(
    tmp_path: Path, record: dict[str, Any], node: str
) -> None:
    files: dict[str, str | bytes] = {}
    if record.get("nv_tegra_release"):
        files["etc/nv_tegra_release"] = record["nv_tegra_release"] + "\n"
    if record.get("compatible") or not files:
        soc = record["expect"].get("soc", "")
        files["proc/device-tree/compatible"] = (
            record.get("compatible") or f"nvidia,jetson-nano\0nvidia,{soc}\0"
        )
    if record.get("model"):
        files["proc/device-tree/model"] = record["model"] + "\0"
    value, why = accelerator(tmp_path, files)
    assert value == "none"
    assert "device node is missing" in why
    value, why = accelerator(tmp_path, files | {node: ""})
    assert value == "nvidia"
    assert why == f"{record['expect'].get('soc', 'Jetson')}, integrated"
    assert detect(tmp_path).value("model") == record.get("model")


def test_a_recorded_server_with_a_card_and_without_a_driver(tmp_path: Path) -> None:
    hardware = unpacked(tmp_path, "ghw/linux-amd64-accel-nvidia.tar.gz")
    assert hardware.value("nvidia_devices") == 1
    assert hardware.value("accelerator") == "none"
    assert hardware.value("cpu_model") == "Intel(R) Xeon(R) CPU E5-2695 v4 @ 2.10GHz"
    assert hardware.value("cpu_count") == 8


def test_a_recorded_desktop_with_another_makers_card(tmp_path: Path) -> None:
    hardware = unpacked(tmp_path, "ghw/linux-amd64-61797caf7c0b6bca1725ad7975ed4773.tar.gz")
    assert hardware.value("nvidia_devices") == 0
    assert hardware.value("accelerator") == "none"


def test_a_recorded_dgx_spark(tmp_path: Path) -> None:
    hardware = unpacked(tmp_path, "hwloc/nvidia-dgx-gb10.tar.bz2")
    assert hardware.value("model") == "NVIDIA_DGX_Spark"
    assert hardware.value("cpu_model") == "Cortex-A725 + Cortex-X925"
    assert hardware.value("cpu_count") == 20
    memory = hardware.value("memory_bytes")
    assert isinstance(memory, int)
    assert memory > 100 * 2**30


@pytest.mark.parametrize(
    "placeholder", ["To Be Filled By O.E.M.", "System Product Name", "Default string", "None"]
)
def test_what_a_maker_left_unfilled_names_no_machine(tmp_path: Path, placeholder: str) -> None:
    assert machine(tmp_path, {"sys/class/dmi/id/product_name": placeholder + "\n"}).value("model") is None
    board = {"sys/class/dmi/id/board_name": "ODROID-H3\n"}
    assert machine(tmp_path, board).value("model") == "ODROID-H3"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"', "Debian GNU/Linux 12 (bookworm)"),
        ("PRETTY_NAME='Yocto 5.0'", "Yocto 5.0"),
        ("PRETTY_NAME=Buildroot", "Buildroot"),
    ],
)
@pytest.mark.parametrize("place", ["etc/os-release", "usr/lib/os-release"])
def test_the_system_is_named_from_either_file_and_in_any_quotes(
    tmp_path: Path, place: str, line: str, name: str
) -> None:
    assert machine(tmp_path, {place: f"ID=x\n{line}\n"}).value("os") == name


@pytest.mark.parametrize(
    ("files", "value", "code"),
    [
        ({"lib/x86_64-linux-gnu/libc.so.6": b"\x7fELF\0GNU C Library (Debian GLIBC 2.36-9+deb12u4) stable release version 2.36.\n\0"}, "2.36", ""),
        ({"usr/lib64/libc.so.6": b"\0GNU C Library (GNU libc) stable release version 2.17, by Roland McGrath et al.\n"}, "2.17", ""),
        ({"lib/ld-musl-aarch64.so.1": b""}, None, "no_glibc"),
        ({"lib/libc.so.6": b"\x7fELF"}, None, "not_found"),
    ],
)  # fmt: skip
def test_the_c_library_says_its_version(tmp_path: Path, files: Any, value: str | None, code: str) -> None:
    fact = detect(write(tmp_path, files)).fact("glibc")
    assert fact is not None
    assert (fact.value, fact.code) == (value, code)


@pytest.mark.parametrize(
    ("files", "value", "code"),
    [
        ({"recorded/nvidia-ctk.txt": "NVIDIA Container Toolkit CLI version 1.17.4\ncommit: 9b69590c7428470a72f2ae05f826412976af1395\n"}, "1.17.4", ""),
        ({"recorded/nvidia-ctk.txt": "NVIDIA Container Toolkit CLI version v1.18.0-rc.2\n"}, "1.18.0", ""),
        ({"recorded/nvidia-ctk.txt": "usage"}, None, "garbage"),
        ({"usr/bin/nvidia-ctk": ""}, None, "not_recorded"),
        ({"proc/cpuinfo": ""}, None, "toolkit_missing"),
    ],
)  # fmt: skip
def test_the_container_toolkit_says_its_version(
    tmp_path: Path, files: Any, value: str | None, code: str
) -> None:
    fact = detect(write(tmp_path, files)).fact("toolkit")
    assert fact is not None
    assert (fact.value, fact.code) == (value, code)


def test_a_container_toolkit_that_is_there_is_asked(tmp_path: Path) -> None:
    program = write(
        tmp_path, {"usr/bin/nvidia-ctk": "#!/bin/sh\necho NVIDIA Container Toolkit CLI version 1.16.2\n"}
    )
    (program / "usr/bin/nvidia-ctk").chmod(0o755)
    assert detect(tmp_path, programs=Children()).value("toolkit") == "1.16.2"


def test_this_machine_s_c_library_is_the_one_it_runs_with() -> None:
    try:
        running = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        running = None
    assert detect().value("glibc") == (running.split()[1] if running else None)
