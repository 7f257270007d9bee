"""What is told of the hardware upstream and on /metrics: short, and the same as long as nothing changed."""

from __future__ import annotations

from edgetender.decide.compact import birth_document, compact_facts, labels, verdict_codes
from edgetender.decide.resolving import resolve
from edgetender.metrics import Metrics
from edgetender.model.figures import CycleFigures
from edgetender.model.ledger import Ledger
from edgetender.model.reading import manifest_of
from tests.builders.hardware import gpu, machine, variant
from tests.builders.manifests import manifest, slot

BOX = machine(
    gpu(name="RTX 3080", healthy=False), x86_level="v3", cuda="12.4", nvidia_driver="550.1", model=None
)


def test_compact_facts_hold_what_is_known_and_nothing_of_what_is_not():
    assert compact_facts(BOX) == {
        "facts": compact_facts(BOX)["facts"],
        "arch": "amd64", "x86Level": "v3", "driver": "550.1", "cuda": "12.4",
        "accelerators": [
            {
                "vendor": "nvidia", "kind": "discrete", "name": "RTX 3080", "computeCapability": "8.6",
                "memoryBytes": 10 * 2**30, "healthy": False,
            }
        ],
    }  # fmt: skip


def test_a_birth_says_who_this_is_and_what_it_can_do():
    assert birth_document("line3-cam7", "0.1.0", BOX) == {
        "device": "line3-cam7", "agent": "0.1.0", "schemas": ["edgetender/v1"], "front": False,
        "hardware": compact_facts(BOX),
    }  # fmt: skip


def test_what_goes_up_and_down_by_itself_is_no_news():
    busy = machine(memory_available_bytes=1)
    assert compact_facts(busy) == compact_facts(machine(memory_available_bytes=2))


def test_each_variant_has_its_verdict_in_one_word():
    document = manifest(
        1,
        m={
            "variants": [
                variant("trt", {"cuda": ">=13.0"}),
                variant("new", {"tops": 1}),
                variant("cpu"),
                variant("old"),
            ]
        },
    )
    found = resolve(slot(document), manifest_of(document), BOX, Ledger()).considered
    assert verdict_codes(found) == {
        "m": {"trt": "out_of_range", "new": "unknown_predicate", "cpu": "chosen", "old": "not_reached"}
    }


def test_dashboards_see_the_hardware_and_what_did_not_hold():
    metrics = Metrics("0")
    metrics.cycle(CycleFigures(hardware=labels(BOX), demotions=(("m", "trt", "toolkit_missing"),)))
    text = metrics.exposition().decode()
    assert (
        'edgetender_hardware{accelerators="nvidia",arch="amd64",cuda="12.4",driver="550.1",level="v3"} 1.0'
        in text
    )
    assert 'edgetender_variant_demoted{module="m",reason="toolkit_missing",variant="trt"} 1.0' in text
