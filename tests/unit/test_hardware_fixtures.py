"""Every recorded machine gives the facts that are expected of it: all of expected.json, and the records that say so."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgetender.model.compat import builtin
from edgetender.model.hardware import Device, Hardware
from edgetender.probes import detect, kernel_log, nvidia_smi
from edgetender.probes.compat_note import read_note
from edgetender.probes.runtimes import of_engine
from tests.builders.machines import RECORDINGS, board, lscpu, records, unpacked, write

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not in {RECORDINGS}")
EXPECTED: dict[str, Any] = (
    json.loads((RECORDINGS / "expected.json").read_text()) if RECORDINGS.is_dir() else {}
)
BOARDS = records() if RECORDINGS.is_dir() else {}
FACTS = {"vendor": "cpu_vendor", "hardware": "cpu_hardware", "arm64_level_conservative": "arm64_level"}
SAME = ("oci_variant", "neon", "hypervisor", "features_differ", "heterogeneous", "cpus_online", "supported")
# what a file says beyond what the agent needs, or for people
NOTES = {
    "note", "userland", "kernel_arch", "kernel_arch_field", "processor_line", "isa", "device", "model",
    "driver_model", "attached",
}  # fmt: skip


def machine_of(root: Path, key: str) -> Path:
    kind, _, rest = key.partition("/")
    source = RECORDINGS / key
    match kind:
        case "cpuinfo":
            return write(root, {"proc/cpuinfo": source.read_bytes()})
        case "sbc-bench":
            if "#" in rest:
                return board(root, BOARDS[rest.partition("#")[2]])
            known = BOARDS[Path(rest).stem]
            said = lscpu(source.read_text())
            return board(root, known | said | {"model_name": known["model_name"]})
        case "sysfs" if rest.startswith("kfd"):
            nodes = next(source.rglob("nodes"))
            shutil.copytree(nodes, root / "sys/class/kfd/kfd/topology/nodes")
            return root
        case "sysfs":
            return unpacked(root, source)
        case "nvidia-smi-xml":
            return write(root, {"recorded/nvidia-smi.xml": source.read_bytes()})
        case "nvidia-exporter-metrics":
            return write(root, {"recorded/nvml.json": json.dumps(exporter(source.read_text()))})
        case "rocm-smi":
            return write(root, {"recorded/rocm-smi.json": source.read_bytes()})
    name = {"nvidia-smi-L-orin.txt": "nvidia-smi-L.txt", "nvidia-smi-gb10-query.csv": "nvidia-smi.csv"}
    return write(root, {f"recorded/{name.get(rest, 'nvidia-smi.txt')}": source.read_bytes()})


def exporter(text: str) -> dict[str, Any]:
    """What NVML said to the exporter that wrote these metrics."""
    cards = [
        dict(re.findall(r'(\w+)="([^"]*)"', line))
        for line in text.splitlines()
        if line.startswith("nvidia_smi_gpu_info{")
    ]
    devices = [
        {
            "name": card["name"], "uuid": "GPU-" + card["uuid"], "pci": card["pci_bus_id"],
            "major": int(card["compute_cap"].split(".")[0]), "minor": int(card["compute_cap"].split(".")[1]),
        }
        for card in cards
    ]  # fmt: skip
    return {"driver": cards[0]["driver_version"], "cuda": cards[0]["cuda_version"], "devices": devices}


@pytest.mark.parametrize("key", [key for key in EXPECTED if not key.startswith("cuda-compat-elf")])
def test_a_recording_gives_the_facts_expected_of_it(tmp_path: Path, key: str) -> None:
    hardware = detect(machine_of(tmp_path, key))
    for fact in hardware.facts:
        assert fact.value is not None or fact.detail, fact
    expected = EXPECTED[key]
    for each in expected if isinstance(expected, list) else [expected]:
        compare(each, hardware, key)


def compare(expected: dict[str, Any], hardware: Hardware, key: str) -> None:  # one line per key reads best
    looked_at = set()
    for name, wanted in expected.items():
        fact = FACTS.get(name, name)
        looked_at.add(name)
        if fact in SAME or name in FACTS:
            assert hardware.value(fact) == wanted, name
            continue
        match name:
            case "arch" if wanted == "amd64?":
                assert hardware.value("arch") is None
            case "arch" if wanted == "mips*":
                assert str(hardware.value("arch")).startswith("mips")
            case "arch":
                assert hardware.value("arch") == wanted
            case "x86_level":
                assert hardware.value("x86_level") == (None if wanted == "unknown" else wanted)
            case "features":
                assert set(wanted) <= set(hardware.value("cpu_features") or ()), wanted
            case "model_name":
                assert hardware.value("cpu_model") == wanted
            case "processors_listed" | "logical_cpus_in_file":
                assert hardware.value("cpu_count") == wanted
            case "parts":
                found = [tuple(text.split(":")) for text in hardware.value("cpu_parts") or ()]
                assert sorted({part for _, part in found}) == sorted(
                    {one if isinstance(one, str) else one[1] for one in wanted}
                )
            case "dt_compatible":
                assert hardware.value("dt_compatible") == tuple(one.strip() for one in wanted)
            case "dmi":
                assert {n: hardware.value(f"dmi_{n}") for n in wanted} == wanted
            case "pci_accelerators":
                for slot in wanted:
                    assert f"{slot['vendor'][2:]}:{slot['device'][2:]}" in hardware.value("pci")
                    if slot["vendor"] in ("0x10de", "0x8086", "0x1002"):
                        assert hardware.value("pci", slot["bdf"]) == slot["bdf"]
            case "accelerator":
                accelerator(wanted, hardware)
            case "gpus" | "attached" | "driver" | "cuda" if key.startswith("nvidia-smi-xml"):
                smi_xml(expected, hardware)
            case "driver" if not key.startswith("rocm"):
                assert hardware.value("nvidia_driver") == wanted
            case "cuda":
                assert hardware.value("cuda") == wanted
            case "kind" | "unified_memory" | "memory" | "name":
                (only,) = hardware.devices
                assert only.value({"memory": "memory_bytes"}.get(name, name)) == wanted
            case "cards" | "names" | "driver" | "vram_bytes":
                rocm(expected, hardware)
            case "gfx" | "gpu_nodes":
                gfx = [device.value("gfx") for device in hardware.devices]
                assert hardware.value("amd_compute_nodes") == expected["gpu_nodes"] == len(gfx)
                assert sorted({one for one in gfx if one}) == expected["gfx"]
            case "compute_cap" | "cuda_version" | "driver_version" | "pci_bus_id":
                exported(expected, hardware)
            case _:
                looked_at.discard(name)
    unseen = set(expected) - looked_at - NOTES
    assert not unseen or key.startswith("nvidia-exporter"), unseen


def accelerator(wanted: dict[str, str], hardware: Hardware) -> None:
    (found,) = hardware.devices
    if wanted["kind"] == "nvidia-integrated":
        assert (found.value("vendor"), found.value("kind")) == ("nvidia", "integrated")
        assert found.value("compute_capability") == wanted["compute_capability"]
        return
    vendor = {"rknpu": "rockchip", "Qual": "qualcomm", "Media": "mediatek"}
    assert found.value("kind") == "npu"
    assert found.value("vendor") == next(v for hint, v in vendor.items() if wanted["hint"].startswith(hint))


def smi_xml(expected: dict[str, Any], hardware: Hardware) -> None:
    assert hardware.value("nvidia_driver") == expected["driver"]
    if expected["driver"]:
        assert hardware.value("cuda") == expected["cuda"]
        assert builtin().cuda_of_driver(expected["driver"]).value == expected["cuda"]
    cards = [device for device in hardware.devices if not device.value("mig_instance")]
    assert len(cards) == len(expected["gpus"])
    for wanted in expected["gpus"]:
        bus = wanted["bus_id"].lower()[4:]
        card = next(one for one in cards if one.key == bus)
        assert card.value("name") == wanted["name"]
        assert card.value("uuid") == wanted["uuid"]
        assert card.value("compute_capability") == wanted["compute_capability"]
        assert card.value("architecture") == wanted["architecture"]
        assert card.value("memory_bytes") == int(wanted["memory_total"].split()[0]) * 2**20
        assert (card.value("mig_devices") or 0) == wanted["mig_devices"]
        assert (card.value("mig") == "Enabled") is (wanted["mig_mode"] == "Enabled")


def rocm(expected: dict[str, Any], hardware: Hardware) -> None:
    assert len(hardware.devices) == expected["cards"]
    assert hardware.value("amd_driver") == expected["driver"]
    assert {device.value("name") for device in hardware.devices} == set(expected["names"])
    assert sorted({device.value("memory_bytes") for device in hardware.devices}) == expected["vram_bytes"]


def exported(expected: dict[str, str], hardware: Hardware) -> None:
    card = next(one for one in hardware.devices if one.key == expected["pci_bus_id"].lower()[4:])
    assert card.value("compute_capability") == expected["compute_cap"]
    assert card.value("name") == expected["name"]
    assert card.value("uuid") is None  # the recording has none
    assert hardware.value("cuda") == expected["cuda_version"]
    assert hardware.value("nvidia_driver") == expected["driver_version"]
    assert builtin().cuda_of_driver(expected["driver_version"]).value == expected["cuda_version"]


@pytest.mark.parametrize("key", [key for key in EXPECTED if key.startswith("cuda-compat-elf")])
def test_a_compatibility_library_says_which_driver_branches_it_serves(key: str) -> None:
    note = read_note((RECORDINGS / key).read_bytes())
    assert (note.cuda if note else None) == EXPECTED[key]["cuda"]
    assert (list(note.branches) if note else None) == EXPECTED[key]["host_branches"]


def lines(name: str) -> list[dict[str, Any]]:
    path = RECORDINGS / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("record", lines("text/kernel-log.jsonl"), ids=lambda one: one["src"])
def test_a_line_of_the_kernel_tells_a_lost_card_from_an_application_s_fault(record: dict[str, Any]) -> None:
    said = kernel_log.read(record["text"])
    assert said.xid == record["xid"]
    assert said.lost is (record.get("lost", False) or record["xid"] == 79)
    assert said.mismatch is (record.get("reason") == "driver_library_mismatch")
    if "bdf" in record:
        assert record["bdf"].startswith(said.at)


@pytest.mark.parametrize("record", lines("text/nvidia-smi-failures.jsonl"), ids=lambda one: one["reason"])
def test_what_nvidia_smi_says_when_it_fails_has_a_name(record: dict[str, Any]) -> None:
    assert nvidia_smi.xml(record["text"]).code == record["reason"]
    assert nvidia_smi.xml(record["text"]).gpus == ()


@pytest.mark.parametrize(
    "record",
    json.loads((RECORDINGS / "jetson/jetson.json").read_text()) if RECORDINGS.is_dir() else [],
    ids=lambda one: one["id"],
)
def test_a_jetson_is_known_by_its_chip_and_its_release(tmp_path: Path, record: dict[str, Any]) -> None:
    wanted = record["expect"]
    files: dict[str, str | bytes] = {}
    if record.get("nv_tegra_release"):
        files["etc/nv_tegra_release"] = record["nv_tegra_release"] + "\n"
    compatible = record.get("compatible")
    if compatible or not files:
        files["proc/device-tree/compatible"] = compatible or f"nvidia,jetson-nano\0nvidia,{wanted['soc']}\0"
    hardware = detect(write(tmp_path, files))
    for name in ("l4t", "jetpack", "soc", "cuda", "tensorrt"):
        if name in wanted:
            assert hardware.value(name) == wanted[name], name
    (chip,) = hardware.devices
    assert chip.value("kind") == "integrated"
    if "cc" in wanted:
        assert chip.value("compute_capability") == wanted["cc"]


def test_an_engine_without_a_toolkit_says_so() -> None:
    version = json.loads((RECORDINGS / "docker/version-20.10.24-no-gpu.json").read_text())
    info = json.loads((RECORDINGS / "docker/info-20.10.24-no-gpu.json").read_text())
    hardware = Hardware(tuple(of_engine(version, info)))
    assert hardware.value("arch") == "amd64"
    assert "nvidia" not in (hardware.value("runtimes") or ())
    assert hardware.value("cdi") is False


def test_the_cards_of_a_csv_are_told_apart_by_their_uuids(tmp_path: Path) -> None:
    text = (RECORDINGS / "nvidia-smi-csv/query.txt").read_text()
    hardware = detect(write(tmp_path, {"recorded/nvidia-smi.csv": text}))
    cards: tuple[Device, ...] = hardware.devices
    assert [card.value("compute_capability") for card in cards] == ["7.5", "8.6"]
    assert all(str(card.value("uuid")).startswith("GPU-") for card in cards)


def test_every_expectation_is_looked_at() -> None:
    assert len(EXPECTED) == 234
