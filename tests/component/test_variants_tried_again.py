"""What has a variant tried again, or another one taken: a back-off, a person's word, an image, a proof, a specification."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from edgetender.errors import EngineRefused
from edgetender.model.image import ImageTraits
from tests.builders.hardware import machine, variant
from tests.builders.loops import Loop
from tests.builders.manifests import image, manifest
from tests.builders.variants import CARD, REFUSED, VARIANTS, loop, runs, wait
from tests.fakes.clock import FakeClock


class TickingClock(FakeClock):
    """Time goes on while something is done: a tenth of a second with each look at it."""

    def now(self) -> datetime:
        self.advance(0.1)
        return super().now()


def test_a_step_that_took_time_to_fail_is_tried_again_by_its_back_off_not_at_the_next_interval():
    made = Loop(clock=TickingClock(), hardware=machine(CARD))
    made.puller.registry |= {image("cpu")}
    made.push(manifest(1, scorer={"variants": VARIANTS[2:]}))
    made.engine.fail_on("start", EngineRefused("port is already allocated"), times=1)
    pauses = [made.cycle() for _ in range(5)]
    assert max(pauses) < 2


def wish(made: Loop, **said: Any) -> Any:
    number = made.store.deliver(
        "variant", "cli", json.dumps({"module": "scorer"} | said).encode(), made.clock.now()
    )
    made.run(20)
    return made.store.decision(number)


def test_a_person_s_pin_wins_over_order_and_memory_until_it_is_let_go():
    made = loop(machine(CARD))
    made.run(30)
    assert wish(made, action="pin", variant="cpu").code == 200
    assert runs(made) == ["cpu"]
    wait(made, 30)
    assert runs(made) == ["cpu"]
    assert wish(made, action="unpin").code == 200
    assert runs(made) == ["trt"]


def test_what_is_forgotten_is_tried_again_at_once():
    made = loop(machine(CARD))
    made.engine.fail_on("start", REFUSED, times=1)
    made.run(30)
    assert runs(made) == ["cpu"]
    assert wish(made, action="forget", variant="trt").code == 200
    assert runs(made) == ["trt"]
    assert made.last.ledger.demotions == ()


def test_a_wish_that_makes_no_sense_is_refused_with_what_there_is():
    made = loop(machine(CARD))
    made.run(30)
    said = wish(made, action="pin", variant="tpu")
    assert (said.code, said.description) == (
        404,
        "cannot pin 'tpu': scorer has no such variant (it has: trt, cuda, cpu)",
    )
    assert wish(made, module="ocr", action="unpin").code == 404
    assert wish(made, action="dance").code == 400
    assert runs(made) == ["trt"]


def test_an_image_that_turns_out_to_need_a_newer_driver_is_never_fetched():
    made = loop(machine(CARD, cuda="12.4", nvidia_driver="550.1"))
    made.puller.traits |= {image("trt"): ImageTraits("amd64", "", ("NVIDIA_REQUIRE_CUDA=cuda>=13.0",))}
    made.run(30)
    assert runs(made) == ["cuda"]
    assert made.puller.submitted == [image("cuda")]


def test_a_better_variant_whose_tag_is_still_to_be_resolved_takes_nothing_from_what_runs():
    """A card comes later: what serves goes on until the image for it is here and runs."""
    tag = "registry.example/team/trt:1"
    better = variant("trt", {"accelerator": "nvidia"}) | {"image": tag}
    made = Loop(hardware=machine())
    made.puller.registry |= {image("cpu")}
    made.push(manifest(1, scorer={"variants": [better, variant("cpu")]}))
    made.run(30)
    assert runs(made) == ["cpu"]
    made.hardware = machine(CARD)
    wait(made, 10)
    assert tag in made.puller.submitted
    assert runs(made) == ["cpu"]
    made.puller.tags[tag] = image("trt")
    made.puller.registry |= {image("trt"), tag}
    made.puller.submit(made.last.target.fetch[0])
    wait(made, 1)
    assert runs(made) == ["trt"]


@pytest.mark.parametrize("helps", [True, False])
def test_one_that_lost_its_card_inside_is_started_anew_and_left_if_that_does_not_help(helps: bool):
    """systemd's daemon-reload takes devices from running containers; the host sees nothing of it."""
    active = {"now": "CUDAExecutionProvider"}
    said = 'edgetender_scoring_provider_info{model="m",requested="CUDAExecutionProvider",actual="%s"} 1\n'
    made = Loop(hardware=machine(CARD), exchange=lambda *_: (200, (said % active["now"]).encode(), 0.01, ""))
    made.puller.registry |= {image("cuda"), image("cpu")}
    cuda = variant("cuda", {"accelerator": "nvidia"}, provider="CUDAExecutionProvider")
    made.push(manifest(1, scorer={"variants": [cuda, variant("cpu")], "health": {"http": {"path": "/"}}}))
    made.run(60)
    (first,) = (c.run for c in made.engine.containers() if c.running)
    active["now"] = "CPUExecutionProvider"
    wait(made, 50)
    assert [c.run for c in made.engine.containers() if c.running] == [first]  # it is asked once an hour
    for _ in range(90):
        made.clock.advance(10.0)
        made.cycle()
        if helps and not any(c.running for c in made.engine.containers()):
            active["now"] = "CUDAExecutionProvider"
    if helps:
        assert runs(made) == ["cuda"]
        assert [c.run for c in made.engine.containers() if c.running] != [first]
        assert made.last.ledger.demotions == ()
    else:
        assert runs(made) == ["cpu"]
        (fallen,) = made.last.ledger.demotions
        assert (fallen.variant, fallen.code, fallen.part) == ("cuda", "provider_not_active", "driver+engine")


def test_a_specification_written_anew_has_what_the_engine_could_not_find_tried_again():
    """`nvidia-ctk cdi generate` after a change of MIG: the same kind of devices, other devices."""
    gone = EngineRefused("unresolvable CDI devices nvidia.com/gpu=MIG-1", code="engine.cdi_spec_missing")
    made = loop(machine(CARD, cdi_specs=("nvidia.com/gpu",), cdi_digest="1"))
    made.engine.fail_on("start", gone, times=1)
    made.run(30)
    assert runs(made) == ["cpu"]
    made.hardware = machine(CARD, cdi_specs=("nvidia.com/gpu",), cdi_digest="2")
    wait(made, 10)
    assert runs(made) == ["trt"]
