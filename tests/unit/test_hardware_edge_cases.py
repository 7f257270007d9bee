"""Which test shows each of the 30 edge cases of hardware detection and choice? Those without one elsewhere are here.

`python tests/unit/test_hardware_edge_cases.py` prints the tests by name, to be run.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import pytest

from edgetender.probes import detect
from edgetender.probes.programs import Children
from tests.builders.machines import RECORDINGS, write
from tests.builders.nvidia import BOX, CARD

ROOT = Path(__file__).resolve().parents[2]
Shown = tuple[str, ...]


def names(folder: str, file: str, *tests: str) -> Shown:
    return tuple(f"{folder}/test_{file}.py::test_{test}" for test in tests)


unit, component, system = (partial(names, f"tests/{kind}") for kind in ("unit", "component", "system"))
here, moving = partial(unit, "hardware_edge_cases"), partial(component, "variants_move")
children, choosing = partial(unit, "probe_children"), partial(unit, "variants")


def recorded(*keys: str) -> Shown:
    """Recordings whose expected facts are the case."""
    found = "tests/unit/test_hardware_fixtures.py::test_a_recording_gives_the_facts_expected_of_it"
    return tuple(f"{found}[{key}]" for key in keys)


xml = "nvidia-smi-xml/telegraf-{}.xml".format

CASES: dict[int, tuple[str, Shown]] = {
    1: ("64-bit kernel, armhf userland: arm/v7 images", recorded("sbc-bench/lscpu/3KVs.txt", "sbc-bench/lscpu/3L37.txt")),
    2: ("Pi Zero, Pi 1: v6 without neon", recorded("cpuinfo/ptcpuinfo-raspberrypi-zero.txt", "cpuinfo/cpufeatures-arm-RaspberryPiZeroFromCpuInfo.txt")),
    3: ("a VM that masks features: v2, v1", recorded("cpuinfo/pycpuinfo-fedora_29_x86_64_ryzen_7.txt", "cpuinfo/pycpuinfo-debian_8_x86_64.txt") + here("a_level_is_what_the_virtual_machine_lets_through")),
    4: ("flags missing: unknown, not v1", recorded("cpuinfo/gopsutil-1958.txt")),
    5: ("cores of differing features: what all have", here("of_cores_that_differ_only_what_all_have_counts")),
    6: ("N100: v3 without AVX-512; J4125: v2", recorded("sbc-bench/lscpu/4vxM.txt", "sbc-bench/lscpu/4hau.txt") + here("an_n100_has_v3_and_no_avx_512")),
    7: (
        "MIPS, LoongArch, RISC-V, s390x, POWER: not supported, no crash",
        recorded(
            "cpuinfo/procfs-cpuinfoMips.txt", "cpuinfo/pycpuinfo-new_world_loongarch64.txt", "cpuinfo/archspec-linux-sifive-u74mc.txt",
            "cpuinfo/pycpuinfo-fedora_5_s390x.txt", "cpuinfo/archspec-linux-unknown-power10.txt",
        ),
    ),
    8: ("`Graphics Device`: the capability is libcuda's", children("a_real_library_is_asked_in_a_child")),
    9: ("an answer of nvidia-smi without a driver: unknown", recorded(xml("gtx-1070-ti"))),
    10: (
        "MIG with instances: memory of each; without one: no device",
        recorded(xml("a100-sxm4-v12"))
        + children("with_mig_each_instance_is_a_device_and_the_card_is_none", "mig_without_an_instance_gives_no_device"),
    ),
    11: ("a driver of Windows, 536.40: CUDA 12.2", recorded(xml("rtx-3080-v12"))),
    12: (
        "a Jetson without NVML is normal; memory not supported is one pool inside a chip only",
        unit("hardware_fixtures", "a_jetson_is_known_by_its_chip_and_its_release")
        + children("memory_not_supported_is_normal_inside_a_chip_and_a_loss_on_a_card"),
    ),
    13: (
        "GB10: one pool, no device tree",
        recorded("sysfs/hwloc/nvidia-dgx-gb10.tar.bz2", "text/nvidia-smi-gb10-query.csv")
        + unit("probes_on_recordings", "a_recorded_dgx_spark"),
    ),
    14: ("540.4.0 on L4T: 12.6, not the branch's 12.2", children("on_jetson_the_release_tells_the_cuda_and_not_the_branch_of_the_driver")),
    15: (
        "L4T missing: JetPack unknown; newer than the table: its major, low",
        unit("hardware_fixtures", "a_jetson_is_known_by_its_chip_and_its_release")
        + children("a_release_newer_than_the_tables_falls_back_to_its_major"),
    ),
    16: (
        "Xid 79 in three spellings: lost; Xid 31: ignored",
        unit("hardware_fixtures", "a_line_of_the_kernel_tells_a_lost_card_from_an_application_s_fault")
        + children("a_card_that_is_lost_is_not_healthy_and_its_neighbour_is", "an_application_s_fault_is_none_of_the_card"),
    ),
    17: (
        "nvidia-smi hangs and cannot be killed: bounded, the CPU's work starts",
        here("a_child_that_cannot_be_ended_is_not_asked_again_until_it_is_gone")
        + children("only_nvidia_smi_hangs_when_there_are_no_libraries")
        + system("fake_gpu", "a_hanging_nvidia_smi_costs_five_seconds_and_no_service"),
    ),
    18: (
        "201, then 500: all variants that need a GPU are dropped in one step",
        unit("injecting", "a_recorded_refusal_has_its_reason")
        + moving("an_injection_that_is_refused_costs_every_variant_that_needs_it_after_one_try")
        + system("fake_gpu", "a_card_is_chosen_its_injection_refused_and_the_cpu_serves"),
    ),
    19: ("NVIDIA_REQUIRE_CUDA: a brand's alternative helps that brand", unit("implied", "a_brand_s_alternative_helps_that_brand_only", "nvidia_s_conditions_hold_as_recorded")),
    20: ("exit 132: the next lower level, remembered", moving("an_illegal_instruction_is_remembered_for_this_processor")),
    21: (
        "ONNX Runtime in silence on the CPU: not proven, demoted",
        unit("proving", "one_that_fell_to_the_cpu_in_silence_fails_at_once_and_is_remembered_by_its_class")
        + names("tests/contracts", "proof", "a_provider_that_is_not_active_demotes_until_driver_or_engine_change"),
    ),
    22: (
        "an engine built for another card: the cache deleted once, then demoted",
        names("modules/scoring/tests", "engine_cache", "a_model_that_does_not_load_with_its_cache_is_loaded_once_more_without_it")
        + unit("failures", "the_last_words_of_a_container_tell_the_class"),
    ),
    23: ("two GPUs, one fits: that one, pinned by UUID", choosing("one_device_must_satisfy_all_and_it_is_the_one_that_is_picked") + moving("of_two_cards_the_one_in_use_stays_in_use_whatever_is_free_elsewhere")),
    24: ("a GPU vanishes and returns: down at once, up when stable", moving("a_lost_card_is_left_at_once_and_taken_again_after_five_stable_minutes") + system("fake_gpu", "a_card_lost_in_service_is_left_within_half_a_minute_and_waited_for_when_it_is_back")),
    25: ("driver upgraded, not restarted: what runs is kept", moving("a_driver_that_was_changed_without_a_restart_stops_nothing_that_runs") + system("fake_gpu", "a_driver_that_is_changed_without_a_restart_of_the_machine_stops_nothing")),
    26: ("memory damaged: empty, and what runs is kept", moving("a_damaged_memory_keeps_what_runs") + component("state_lost", "a_damaged_database_is_kept_aside_and_rebuilt_while_containers_go_on") + system("fake_gpu", "a_damaged_memory_is_begun_anew_and_what_runs_goes_on")),
    27: ("a compatibility library whose note is broken: ignored", unit("hardware_fixtures", "a_compatibility_library_says_which_driver_branches_it_serves")),
    28: ("a 386 child offered to amd64: refused", unit("implied", "an_image_of_another_architecture_is_refused_before_it_is_pulled")),
    29: ("an unknown predicate: only that variant is out", choosing("an_unknown_predicate_costs_its_variant_and_nothing_else")),
    30: ("a saved facts file: the same decision byte for byte", component("cli_explain", "a_replay_is_the_device_s_own_word_byte_for_byte") + system("fake_gpu", "a_person_pins_lets_go_and_forgets_and_what_was_decided_is_replayed_elsewhere")),
}  # fmt: skip


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("number", range(1, 31))
def test_every_edge_case_names_tests_that_exist(number: int) -> None:
    case, shown = CASES[number]
    files = [one.partition("::") for one in shown]
    assert [one for one in files if one[2].partition("[")[0] not in functions(one[0])] == []
    assert case
    assert shown


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not in {RECORDINGS}")
def test_every_recording_that_is_named_has_expected_facts() -> None:
    expected = json.loads((RECORDINGS / "expected.json").read_text())
    keys = {one.partition("[")[2].rstrip("]") for _, shown in CASES.values() for one in shown if "[" in one}
    assert keys - expected.keys() == set()


# --- cases of their own ---


def processors(root: Path, *flags: str, key: str = "flags") -> Path:
    vendor = "vendor_id : GenuineIntel\n" if key == "flags" else "CPU architecture: 8\n"
    text = "\n".join(f"processor : {n}\n{vendor}{key} : {each}\n" for n, each in enumerate(flags))
    arch = "x86_64" if key == "flags" else "aarch64"
    return write(root, {"proc/cpuinfo": text, "proc/sys/kernel/arch": f"{arch}\n"})


V1 = "fpu tsc msr cx8 sep cmov pat clflush mmx fxsr sse sse2 syscall lm"
V2 = f"{V1} cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


def test_a_level_is_what_the_virtual_machine_lets_through(tmp_path: Path) -> None:
    """The name on the lid is that of a v3 machine each time."""
    for number, (flags, level) in enumerate([(V1, "v1"), (V2, "v2"), (V3, "v3")]):
        root = processors(tmp_path / str(number), f"{flags} hypervisor\nmodel name : AMD Ryzen 7 2700X")
        assert detect(root).value("x86_level") == level


def test_of_cores_that_differ_only_what_all_have_counts(tmp_path: Path) -> None:
    little, big = "fp asimd aes crc32 atomics asimdrdm", "fp asimd aes crc32 atomics asimdrdm dcpop asimddp"
    hardware = detect(processors(tmp_path / "arm", little, big, key="Features"))
    assert hardware.value("features_differ") is True
    assert "asimddp" not in (hardware.value("cpu_features") or ())
    assert hardware.value("arm64_level") == "v8.1"
    mixed = detect(processors(tmp_path / "x86", V3, V2))
    assert (mixed.value("x86_level"), mixed.value("features_differ")) == ("v2", True)


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not in {RECORDINGS}")
def test_an_n100_has_v3_and_no_avx_512(tmp_path: Path) -> None:
    from tests.unit.test_hardware_fixtures import machine_of

    hardware = detect(machine_of(tmp_path, "sbc-bench/lscpu/4vxM.txt"))
    features = hardware.value("cpu_features")
    assert isinstance(features, tuple)
    assert "avx_vnni" in features
    assert not any(one.startswith("avx512") for one in features)


def test_a_child_that_cannot_be_ended_is_not_asked_again_until_it_is_gone(tmp_path: Path) -> None:
    """One in the kernel outlives its kill; any process that is still there stands for it."""
    stuck = subprocess.Popen(("sleep", "60"))
    try:
        programs = Children()
        programs._left["nvidia-smi"] = stuck
        root = write(tmp_path, BOX | {"usr/bin/nvidia-smi": ""})
        fact = detect(root, programs=programs).fact("nvidia_smi")
        assert fact is not None
        assert (fact.value, fact.code) == (None, "probe_timeout")
        assert f"process {stuck.pid}" in fact.detail
        assert detect(root, programs=programs).value("vendor", CARD) == "nvidia"  # the bus still tells
    finally:
        stuck.kill()
        stuck.wait()
    assert programs("nvidia-smi", ("/bin/echo", "back")).output == "back\n"


if __name__ == "__main__":
    sys.stdout.write("\n".join(sorted({one for _, shown in CASES.values() for one in shown})) + "\n")
