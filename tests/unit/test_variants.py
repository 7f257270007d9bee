"""What each predicate of `requires` makes of a fact, and which variant is chosen in the reference's edge cases."""

from __future__ import annotations

from typing import Any

import pytest

from edgetender.decide.look import look_at
from edgetender.decide.variants import Known, choose, judged
from edgetender.errors import ManifestInvalid
from edgetender.model.ledger import Demotion
from edgetender.model.reading import manifest_of
from tests.builders.hardware import gpu, machine, variant
from tests.builders.manifests import image, manifest
from tests.builders.verdicts import judge, module_of, verdict
from tests.fakes.clock import NOON


@pytest.mark.parametrize(
    ("requires", "facts", "expected"),
    [
        ({"arch": "amd64"}, {}, "true"),
        ({"arch": "arm64"}, {}, "false differs"),
        ({"arch": "arm/v7"}, {"arch": "arm", "oci_variant": "v7"}, "true"),
        ({"arch": "arm/v7"}, {"arch": "arm", "oci_variant": "v6"}, "false out_of_range"),
        ({"x86_level": ">=v3"}, {"x86_level": "v4"}, "true"),
        ({"x86_level": ">=v3"}, {"x86_level": "v2"}, "false out_of_range"),
        ({"x86_level": ">=v3"}, {"x86_level": None}, "unknown unknown"),
        ({"cpu": ["avx2", "avx_vnni"]}, {"cpu_features": ("avx2", "avx_vnni", "sse")}, "true"),
        ({"cpu": "avx512f"}, {"cpu_features": ("avx2",)}, "false missing"),
        ({"arm_features": ["i8mm"]}, {"cpu_features": ("asimd", "i8mm")}, "true"),
        ({"cores": ">=4"}, {"cores": 4}, "true"),
        ({"cores": 4}, {"cores": 8}, "false out_of_range"),
        ({"memory": ">=4GiB"}, {"memory_bytes": 4 * 2**30}, "true"),
        ({"memory": ">=4GiB,<8GiB"}, {"memory_bytes": 8 * 2**30}, "false too_small"),
        ({"kernel": ">=5.10"}, {"kernel": "5.10.104-tegra"}, "true"),
        ({"kernel": ">=5.10"}, {"kernel": "5.9.1"}, "false out_of_range"),
        ({"jetpack": ">=6.1,<7"}, {"jetpack": "6.2.1"}, "true"),
        ({"jetpack": ">=6.1,<7"}, {"jetpack": "7.0"}, "false out_of_range"),
        ({"jetpack": ">=6.1"}, {"tegra": False}, "false no_jetson"),
        ({"l4t": ">=36.4"}, {"l4t": "36.4.3"}, "true"),
        ({"driver": ">=535.86.10"}, {"nvidia_driver": "535.104.05"}, "true"),
        ({"docker": ">=25"}, {"docker": "20.10.24+dfsg1"}, "false out_of_range"),
        ({"os": "debian"}, {"os": "Debian GNU/Linux 12", "os_id": "debian"}, "true"),
        ({"os": "ubuntu*"}, {"os": "Ubuntu 22.04", "os_id": "x"}, "true"),
        ({"device": {"model": "*Orin*"}}, {"model": "NVIDIA Orin Nano"}, "true"),
        ({"device": {"dt_compatible": "nvidia,tegra234"}}, {"dt_compatible": ("x", "nvidia,tegra234")}, "true"),
        ({"device": {"colour": "red"}}, {}, "unknown unknown_predicate"),
        ({"device_node": "/dev/hailo*"}, {"device_nodes": ("/dev/hailo0",)}, "true"),
        ({"pci": "10de:*"}, {"pci": ("8086:1234",)}, "false missing"),
        ({"usb": ["1a6e:089a"]}, {"usb": ("1a6e:089a",)}, "true"),
        ({"label": {"site": "north"}}, {"label.site": "north"}, "true"),
        ({"label": {"site": "north"}}, {}, "false differs"),
        ({"any_of": [{"cpu": ["x"]}, {"cpu": ["y"]}]}, {"cpu_features": ("y",)}, "true"),
        ({"any_of": [{"cpu": ["x"]}, {"cores": 2}]}, {"cpu_features": ("y",)}, "unknown not_probed"),
        ({"any_of": [{"cpu": ["x"]}]}, {"cpu_features": ("y",)}, "false missing"),
        ({"not": {"device": {"model": "*Nano*"}}}, {"model": "Jetson Nano"}, "false excluded"),
        ({"not": {"cores": 2}}, {"cores": None}, "unknown excluded"),
        ({"npu_tops": 6}, {}, "unknown unknown_predicate"),
        ({"any_of": [{"npu_tops": 6}, {"arch": "amd64"}]}, {}, "true"),
        ({"accelerator": "none"}, {}, "true"),
    ],
)  # fmt: skip
def test_a_predicate_is_true_false_or_unknown(requires: dict[str, Any], facts: dict[str, Any], expected: str):
    assert verdict(requires, machine(**facts)) == expected


@pytest.mark.parametrize(
    ("cuda", "driver", "wanted", "expected"),
    [
        ("12.2", "535.104.05", ">=12.0", "true"),
        ("12.2", "535.104.05", ">=12.8", "true"),  # minor-version compatibility
        ("12.2", "535.104.05", ">=13.0", "false out_of_range"),
        ("13.0", "580.65.06", ">=12.4", "true"),
        ("12.2", "535.104.05", ">=12.0,<12.1", "false out_of_range"),
        ("12.10", "999", ">=12.9", "true"),
        (None, None, ">=12.0", "unknown unknown"),
    ],
)
def test_cuda_is_what_the_driver_runs_by_the_minor_version_rule(cuda, driver, wanted, expected):
    assert verdict({"cuda": wanted}, machine(cuda=cuda, nvidia_driver=driver)) == expected


def test_on_jetson_there_is_no_minor_version_rule():
    assert verdict({"cuda": ">=12.8"}, machine(cuda="12.6", nvidia_driver="540.4.0", tegra=True)).startswith(
        "false"
    )


P400 = gpu(compute_capability="6.1", memory_bytes=2 * 2**30, uuid="GPU-p400")
RTX = gpu(compute_capability="8.9", memory_bytes=24 * 2**30, uuid="GPU-4090")


def test_one_device_must_satisfy_all_and_it_is_the_one_that_is_picked():
    wanted = {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5", "memory": ">=6GiB"}}
    assert judge(wanted, machine(P400, RTX)).devices == ("gpu1",)
    split = gpu(compute_capability="8.9", memory_bytes=2**30)
    big = gpu(compute_capability="6.1", memory_bytes=24 * 2**30)
    assert judge(wanted, machine(split, big)).verdict == "rejected"


def test_of_equal_devices_the_one_with_most_free_memory_then_the_lowest_address_is_picked():
    wanted = {"accelerator": "nvidia"}
    cards = [gpu(pci=f"0000:0{n}:00.0", memory_free_bytes=free) for n, free in ((3, 5), (1, 9), (2, 9))]
    assert judge(wanted, machine(*cards)).devices == ("gpu1",)


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("driven", "not_driven"),
        ("consistent", "not_consistent"),
        ("healthy", "not_healthy"),
        ("usable", "not_usable"),
    ],
)
def test_a_device_that_lacks_a_layer_is_none(layer: str, code: str):
    assert verdict({"accelerator": "nvidia"}, machine(gpu(**{layer: False}))) == f"false {code}"


def test_a_lost_card_leaves_the_other_one_usable():
    assert judge({"accelerator": "nvidia"}, machine(gpu(healthy=False), gpu())).devices == ("gpu1",)


def test_a_capability_that_is_unknown_makes_the_variant_ineligible_unless_it_may_be():
    wanted = {"accelerator": {"compute_capability": ">=7.5"}}
    unknown = machine(gpu(compute_capability=None))
    assert verdict(wanted, unknown) == "unknown unknown"
    assert verdict(wanted, unknown, allow_unknown=["compute_capability"]) == "true"


def test_compute_capabilities_are_pairs_of_numbers():
    assert (
        verdict({"accelerator": {"compute_capability": ">=9.0"}}, machine(gpu(compute_capability="10.0")))
        == "true"
    )
    assert verdict(
        {"accelerator": {"compute_capability": "12.1"}}, machine(gpu(compute_capability="12.10"))
    ) == ("false out_of_range")


def test_a_count_wants_so_many_that_satisfy_the_rest():
    wanted = {"accelerator": {"vendor": "nvidia", "memory": ">=6GiB", "count": ">=2"}}
    assert verdict(wanted, machine(RTX, P400)) == "false out_of_range"
    assert judge(wanted, machine(RTX, gpu())).devices == ("gpu0", "gpu1")


def test_an_instance_of_a_partitioned_card_can_be_asked_for():
    parent = gpu(usable=False)
    instance = gpu(key="gpu0/mig0", mig_instance=True, memory_bytes=10 * 2**30, uuid="MIG-1")
    wanted = {"accelerator": {"vendor": "nvidia", "mig": True, "memory": ">=8GiB"}}
    assert judge(wanted, machine(parent, instance)).devices == ("gpu0/mig0",)
    assert verdict({"accelerator": {"mig": False}}, machine(parent, instance)) != "true"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("jetpack", "six"), ("memory", ">=much"), ("cuda", 12.1), ("x86_level", ">=vv"), ("cores", "some"), ("cpu", 3),
        ("accelerator", {"compute_capability": "new"}), ("accelerator", {"memory": ">=-1GiB"}), ("any_of", []),
        ("not", "amd64"), ("label", ["x"]), ("kernel", ">=5,"), ("pci", [1]),
    ],
)  # fmt: skip
def test_a_malformed_value_rejects_the_manifest_with_its_path(key: str, value: object):
    document = manifest(1, m={"variants": [variant("v", {key: value})]})
    with pytest.raises(ManifestInvalid) as refused:
        manifest_of(document)
    assert all(
        problem.path.startswith(f"modules.m.variants[0].requires.{key}") for problem in refused.value.problems
    ), refused.value.problems


def test_an_unknown_predicate_costs_its_variant_and_nothing_else():
    chosen, considered = choose("m", module_of(variant("new", {"tops": 6}), variant("cpu")), machine(), ())
    assert chosen is not None
    assert chosen.name == "cpu"
    assert considered[0].because == "this agent is too old to judge tops"


# --- room ---


def test_where_the_memory_is_shared_both_needs_come_from_one_pool():
    jetson = machine(gpu(kind="integrated", unified_memory=True), memory_bytes=8 * 2**30)
    both = {"needs": {"memory": "3GiB", "gpu_memory": "2GiB"}}
    assert verdict({"accelerator": "nvidia"}, jetson, **both) == "true"
    both = {"needs": {"memory": "5GiB", "gpu_memory": "4GiB"}}
    assert verdict({"accelerator": "nvidia"}, jetson, **both) == "false too_small"
    assert verdict({"accelerator": "nvidia"}, machine(gpu(), memory_bytes=8 * 2**30), **both) == "true"


def test_a_control_group_s_limit_counts_where_it_is_less():
    limited = machine(memory_bytes=8 * 2**30, memory_limit_bytes=2**30)
    assert verdict({}, limited, needs={"memory": "2GiB"}) == "false too_small"


# --- memory ---


def test_what_the_engine_cannot_inject_costs_every_variant_that_needs_it_at_once():
    variants = module_of(
        variant("trt", {"accelerator": "nvidia"}), variant("cuda", {"accelerator": "nvidia"}), variant("cpu")
    )
    host, told = machine(gpu()), "the engine cannot hand over the device"
    fallen = Demotion("m", "trt", image("trt"), told, NOON, "toolkit_missing")
    chosen, considered = choose("m", variants, host, (fallen,))
    assert chosen is not None
    assert chosen.name == "cpu"
    assert [(one.verdict, one.because) for one in considered[:2]] == [("demoted", told)] * 2


def test_a_demotion_is_void_once_the_part_it_depended_on_has_changed():
    one = module_of(variant("cuda", {"accelerator": "nvidia"}), variant("cpu"))
    before, after = machine(gpu(), nvidia_driver="535.1"), machine(gpu(), nvidia_driver="580.1")
    from edgetender.decide.fingerprint import fingerprint

    mark = fingerprint(look_at(before), "driver")
    fallen = Demotion("m", "cuda", image("cuda"), "too old", NOON, "driver_too_old", "driver", mark)
    assert choose("m", one, before, (fallen,))[0].name == "cpu"  # type: ignore[union-attr]
    assert choose("m", one, after, (fallen,))[0].name == "cuda"  # type: ignore[union-attr]


def test_a_pinned_variant_runs_whatever_is_remembered_of_it_and_no_other_does():
    both = module_of(variant("cuda", {"accelerator": "nvidia"}), variant("cpu"))
    fallen = Demotion("m", "cpu", image("cpu"), "crashed", NOON)
    found = judged("m", both, look_at(machine(gpu())), Known((fallen,), pinned="cpu"))
    assert [(one.verdict, one.code) for one in found] == [("rejected", "pinned"), ("chosen", "fits")]
    found = judged("m", both, look_at(machine()), Known(pinned="cuda"))
    assert [one.verdict for one in found] == ["rejected", "rejected"]
