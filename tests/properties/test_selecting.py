"""Laws of the choice of a variant over the whole vocabulary, with accelerators, images and memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.look import look_at
from edgetender.decide.variants import Known, judged
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.image import ImageTraits
from edgetender.model.manifest import Module
from tests.builders.effort import examples
from tests.builders.hardware import gpu, machine, variant

versions = st.sampled_from(["1.0", "5.10", "12.2", "12.10", "13", None])
ranges = st.sampled_from([">=12", "<13", "==12.2", ">=5,<12.9", "!=12.10"])
plain = {
    "arch": st.sampled_from(["amd64", "arm64", "arm/v7"]),
    "cuda": ranges, "kernel": ranges, "jetpack": ranges, "driver": ranges,
    "x86_level": st.sampled_from([">=v2", "v3"]),
    "cpu": st.lists(st.sampled_from(["avx2", "sve", "amx"]), max_size=2),
    "memory": st.sampled_from([">=1GiB", "<1GiB"]),
    "tops": st.integers(1, 9),
    "accelerator": st.sampled_from(
        ["nvidia", "intel", "none", {"compute_capability": ">=8"}, {"memory": ">=4GiB", "kind": "discrete"}, {"count": 2}]
    ),
}  # fmt: skip
simple = st.fixed_dictionaries({}, optional=plain)
requirements = st.fixed_dictionaries(
    {}, optional=plain | {"any_of": st.lists(simple, min_size=1, max_size=3), "not": simple}
)
cards = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "vendor": st.sampled_from(["nvidia", "intel"]), "kind": st.sampled_from(["discrete", "integrated"]),
            "compute_capability": versions, "memory_bytes": st.sampled_from([2**30, 2**33, None]),
            "healthy": st.booleans(), "driven": st.booleans(), "unified_memory": st.booleans(),
        },
    ).map(lambda more: gpu(**more)),
    max_size=3,
)  # fmt: skip
machines = st.builds(
    lambda devices, known: machine(*devices, **known),
    cards,
    st.fixed_dictionaries(
        {},
        optional={
            "cuda": versions, "kernel": versions, "jetpack": versions, "nvidia_driver": versions,
            "x86_level": st.sampled_from(["v1", "v3", None]), "memory_bytes": st.sampled_from([2**29, 2**33, None]),
            "cpu_features": st.sampled_from([("avx2",), ("avx2", "amx"), None]),
        },
    ),
)  # fmt: skip
needs = st.fixed_dictionaries(
    {}, optional={"memory": st.sampled_from([2**20, 2**31]), "gpu_memory": st.just(2**32)}
)
modules = st.lists(st.tuples(requirements, needs), min_size=1, max_size=5).map(
    lambda asked: Module.model_validate(
        {"variants": [variant(f"v{n}", requires, needs=room) for n, (requires, room) in enumerate(asked)]}
    )
)
traits = st.builds(
    ImageTraits,
    st.sampled_from(["amd64", "386", ""]),
    st.sampled_from(["", "v3"]),
    st.sampled_from([(), ("NVIDIA_REQUIRE_CUDA=cuda>=12.4 driver>=1",), ("CUDA_VERSION=13.0",)]),
    st.sampled_from([(), ("8.0", "9.0")]),
)


@examples(300)
@given(modules, machines, traits)
def test_every_variant_gets_exactly_one_verdict_with_a_reason_and_a_code(module, hardware, one):
    known = Known(traits={each.image: one for each in module.variants})
    found = judged("m", module, look_at(hardware), known)
    assert [each.variant for each in found] == list(module.variants)
    assert all(each.because and each.code for each in found)
    assert all(each.verdict in ("chosen", "eligible", "rejected") for each in found)
    usable = [each for each in found if each.verdict in ("chosen", "eligible")]
    assert [each.verdict for each in usable] == ["chosen"][: len(usable)] + ["eligible"] * (len(usable) - 1)


@examples(200)
@given(modules, machines, st.randoms())
def test_the_order_of_facts_changes_nothing(module, hardware, chance):
    mixed = list(hardware.facts)
    chance.shuffle(mixed)
    again = judged("m", module, look_at(Hardware(tuple(mixed))), Known())
    assert again == judged("m", module, look_at(hardware), Known())


@examples(200)
@given(modules, machines, st.integers(0, 5))
def test_a_variant_that_cannot_run_changes_nothing_for_the_others_wherever_it_stands(module, hardware, place):
    before = judged("m", module, look_at(hardware), Known())
    false = Module.model_validate({"variants": [variant("false", {"cores": 4096, "arch": "none"})]}).variants[
        0
    ]
    listed = list(module.variants)
    listed.insert(place, false)
    after = judged("m", module.model_copy(update={"variants": tuple(listed)}), look_at(hardware), Known())
    assert tuple(each for each in after if each.variant.name != "false") == before


@examples(200)
@given(modules, machines)
def test_to_know_less_never_makes_a_variant_fit(module, hardware):
    forgotten = Hardware(tuple(f for f in hardware.facts if f.device or f.name in ("arch", "accelerator")))
    blind = {each.variant.name for each in judged("m", module, look_at(forgotten), Known()) if each.devices}
    seeing = {each.variant.name for each in judged("m", module, look_at(hardware), Known()) if each.devices}
    assert blind == seeing  # devices are picked by their own facts alone


@examples(100)
@given(modules, machines)
def test_a_fact_that_nobody_asks_for_changes_nothing(module, hardware):
    more = Hardware((*hardware.facts, Fact("colour", "red", "test"), Fact("temperature", 41.5, "test")))
    assert judged("m", module, look_at(more), Known()) == judged("m", module, look_at(hardware), Known())
