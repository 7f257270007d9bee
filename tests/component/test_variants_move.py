"""A module's variant over time: refused, lost, back again, unknown, expired. The whole loop on fakes."""

from __future__ import annotations

import pytest

from edgetender.model.hardware import Hardware
from tests.builders.hardware import gpu, machine
from tests.builders.loops import Loop, deployed
from tests.builders.manifests import image, manifest
from tests.builders.variants import CARD, REFUSED, VARIANTS, loop, runs, spec_of, wait


def test_the_first_that_fits_runs_with_its_card_pinned():
    made = loop(machine(CARD))
    made.run(30)
    assert runs(made) == ["trt"]
    assert spec_of(made).injection.ids == ("GPU-1",)


def test_an_injection_that_is_refused_costs_every_variant_that_needs_it_after_one_try():
    made = loop(machine(CARD))
    made.engine.fail_on("start", REFUSED, times=99)
    made.run(5)
    made.engine._failures.clear()
    made.run(10)
    assert runs(made) == ["cpu"]
    ledger = made.last.ledger
    assert [(d.variant, d.code, d.part) for d in ledger.demotions] == [("trt", "toolkit_missing", "engine")]
    assert made.puller.submitted == [image("trt"), image("cpu")]  # nothing was pulled for the one between


def test_it_climbs_back_once_the_toolkit_is_there_and_stood_for_five_minutes():
    made = loop(machine(CARD, runtimes=("runc",)))
    made.engine.fail_on("start", REFUSED, times=1)
    made.run(30)
    assert runs(made) == ["cpu"]
    wait(made, 60)
    assert runs(made) == ["cpu"]  # as long as nothing changed
    made.hardware = machine(CARD, runtimes=("nvidia", "runc"))
    wait(made, 4)
    assert runs(made) == ["cpu"]
    wait(made, 3)
    assert runs(made) == ["trt"]


def test_a_lost_card_is_left_at_once_and_taken_again_after_five_stable_minutes():
    made = loop(machine(CARD))
    made.run(30)
    made.hardware = machine(CARD | {"healthy": False})
    made.run(10)
    assert runs(made) == ["cpu"]
    made.hardware = machine(CARD)
    wait(made, 4)
    assert runs(made) == ["cpu"]
    made.hardware = machine(CARD | {"healthy": False})  # it comes and goes: the time begins anew
    wait(made, 1)
    made.hardware = machine(CARD)
    wait(made, 4)
    assert runs(made) == ["cpu"]
    wait(made, 2)
    assert runs(made) == ["trt"]


def test_it_climbs_at_most_once_an_hour():
    made = loop(machine(CARD))
    made.run(30)
    for expected in ("trt", "cpu"):
        made.hardware = machine()
        made.run(10)
        assert runs(made) == ["cpu"]
        made.hardware = machine(CARD)
        wait(made, 10)
        assert runs(made) == [expected]
    wait(made, 60)
    assert runs(made) == ["trt"]


def test_what_is_not_known_moves_nothing_down_or_up():
    made = loop(machine(CARD, nvidia_driver="535.1"))
    made.run(30)
    before = made.engine.containers()
    made.hardware = machine(gpu(compute_capability=None, uuid=None))
    wait(made, 30)
    assert made.engine.containers() == before
    assert made.last.target.considered[0].because == "kept: accelerator.compute_capability is unknown now"


def test_a_driver_that_was_changed_without_a_restart_stops_nothing_that_runs():
    made = loop(machine(CARD))
    made.run(30)
    before = made.engine.containers()
    made.hardware = machine(CARD | {"consistent": False})
    wait(made, 1)
    assert runs(made) == ["cpu"]  # a library that is merely broken is a loss
    made = loop(machine(CARD))
    made.run(30)
    before = made.engine.containers()
    from dataclasses import replace

    broken = machine(CARD | {"consistent": False})
    made.hardware = Hardware(
        tuple(
            replace(f, code="driver_library_mismatch") if f.name == "consistent" else f for f in broken.facts
        )
    )
    wait(made, 10)
    assert made.engine.containers() == before


def test_where_the_manifest_says_so_a_lost_card_is_waited_for():
    made = loop(machine(CARD), on_device_loss="hold")
    made.run(30)
    made.hardware = machine(CARD | {"healthy": False})
    wait(made, 10)
    assert runs(made) == ["trt"]
    assert made.last.target.considered[0].because.startswith("waits for its accelerator")


def test_of_two_cards_the_one_in_use_stays_in_use_whatever_is_free_elsewhere():
    one, two = gpu(uuid="GPU-1", memory_free_bytes=9), gpu(uuid="GPU-2", memory_free_bytes=5)
    made = loop(machine(one, two))
    made.run(30)
    assert spec_of(made).injection.ids == ("GPU-1",)
    made.hardware = machine(one | {"memory_free_bytes": 1}, two)
    wait(made, 10)
    assert spec_of(made).injection.ids == ("GPU-1",)
    made.hardware = machine(one | {"healthy": False}, two)
    wait(made, 1)
    assert spec_of(made).injection.ids == ("GPU-2",)


def crashing(made: Loop, variants: set[str], seconds: float, code: int = 1) -> None:
    for _ in range(int(seconds)):
        for container in made.engine.containers():
            if container.running and container.variant in variants:
                made.engine.crash(container.id, code)
        made.cycle()
        made.clock.advance(1.0)


def test_a_crash_is_forgotten_after_an_hour_then_after_four():
    made = loop(machine(CARD))
    made.run(5)
    crashing(made, {"trt"}, 60, 139)
    assert runs(made) == ["cuda"]
    (fallen,) = made.last.ledger.demotions
    assert (fallen.code, fallen.times) == ("crashed", 1)
    assert (fallen.until - fallen.at).total_seconds() == pytest.approx(3600, abs=5)
    wait(made, 58)
    assert runs(made) == ["cuda"]
    wait(made, 10)
    assert runs(made) == ["trt"]
    crashing(made, {"trt"}, 60, 139)
    (fallen,) = made.last.ledger.demotions
    assert fallen.times == 2
    assert (fallen.until - fallen.at).total_seconds() == pytest.approx(4 * 3600, abs=5)


def test_an_illegal_instruction_is_remembered_for_this_processor():
    made = loop(machine(CARD))
    made.run(5)
    crashing(made, {"trt", "cuda"}, 120, 132)
    assert runs(made) == ["cpu"]
    assert {(d.code, d.part, d.until) for d in made.last.ledger.demotions} == {
        ("illegal_instruction", "cpu", None)
    }


def test_a_damaged_memory_keeps_what_runs():
    made = loop(machine(CARD))
    made.run(30)
    before = made.engine.containers()
    made.store = type(made.store)()
    made.boot()
    wait(made, 2)
    assert made.engine.containers() == before


def test_nothing_fits_is_refused_before_anything_stops_with_every_reason():
    made = deployed()
    before = made.engine.containers()
    made.hardware = machine()
    made.push(manifest(2, scorer={"variants": VARIANTS[:2]}))
    made.run(20)
    assert [c for c in made.engine.containers() if c.running] == [c for c in before if c.running]
    ((_, why),) = made.last.target.blocked
    assert "trt: needs an NVIDIA accelerator" in why
    assert "cuda: needs an NVIDIA accelerator" in why
