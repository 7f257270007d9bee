"""`select: measured`: each variant that can run is tried once, and the quickest stays. The whole loop on fakes."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

from edgetender.decide.replay import explained, facts_document, replayed
from edgetender.decide.reporting import health_word, module_reports
from edgetender.errors import ImageMissing
from edgetender.model.gate import Rules
from edgetender.model.hardware import Hardware
from edgetender.model.window import window_of
from tests.builders.hardware import gpu, machine, variant
from tests.builders.loops import Loop
from tests.builders.manifests import image, manifest
from tests.builders.variants import runs, wait

CARD = gpu(uuid="GPU-1")
HOST = {"x86_level": "v3", "cpu_features": ("avx2",)}
DRIVER = {"cuda": "12.4", "nvidia_driver": "550.1"}
WITH_CARD = machine(CARD, **HOST, **DRIVER)
GOLDEN = {"warmup": 1, "runs": 3, "golden": {"body": [1], "expect": [2]}}
VARIANTS = [
    variant("cuda", {"accelerator": "nvidia"}, probe=GOLDEN),
    variant("openvino", {"x86_level": ">=v3"}, probe=GOLDEN),
    variant("cpu", probe=GOLDEN),
]


class Racing(Loop):
    """A loop whose containers answer their known input in as many milliseconds as *times* says."""

    times: dict[str, float]
    tried: list[str]

    def answer(self, address: str, *_: Any) -> Any:
        (asked,) = [c.image for c in self.engine.containers() if c.address == address and c.running]
        name = next(one for one in self.times if image(one) == asked)
        if self.tried[-1:] != [name]:
            self.tried.append(name)
        return 200, b"[2]", self.times[name] / 1000, ""


def racing(hardware: Hardware, select: dict[str, Any] | None = None, **times: float) -> Racing:
    made = Racing(hardware=hardware)
    made.times, made.tried = {"cuda": 10, "openvino": 20, "cpu": 30} | times, []
    made.exchange = made.answer
    made.boot()
    made.puller.registry |= {image(name) for name in ("cuda", "openvino", "cpu")}
    push(made, 1, select)
    return made


def push(made: Loop, version: int, select: dict[str, Any] | None = None, **module: Any) -> None:
    wanted = {"variants": VARIANTS, "select": {"mode": "measured"} | (select or {})} | module
    made.push(manifest(version, scorer=wanted))


def go(made: Loop, seconds: int) -> None:
    """As `run`, a second at a time."""
    for _ in range(seconds):
        made.clock.advance(1.0)
        made.cycle()


def said(made: Loop) -> tuple[str, str, str]:
    """What status says of the module, and of the device."""
    last = made.last
    (report,) = reports = module_reports(last.target, last.observed, last.ledger, last.plan)
    return report.why, report.code, health_word(reports, last.observed, last.ledger)


def test_each_is_tried_once_and_the_quickest_stays():
    made = racing(WITH_CARD, cuda=40, openvino=12, cpu=30)
    go(made, 120)
    assert made.tried == ["cuda", "openvino", "cpu", "openvino"]
    assert runs(made) == ["openvino"]
    assert made.last.ledger.accepted is not None
    assert {key.split(" ")[1]: one.p95_s for key, one in made.last.ledger.measured.items()} == {
        image("cuda"): 0.04, image("openvino"): 0.012, image("cpu"): 0.03,
    }  # fmt: skip
    wait(made, 300)
    assert made.tried == ["cuda", "openvino", "cpu", "openvino"]
    push(made, 2, env={"A": "1"})  # the same images on the same hardware: nothing is tried again
    go(made, 60)
    assert (made.last.ledger.accepted.version, runs(made)) == (2, ["openvino"])
    assert made.tried[4:] in ([], ["openvino"])


def test_the_list_s_order_decides_between_those_that_are_about_as_quick():
    made = racing(WITH_CARD, cuda=40, openvino=12, cpu=11)
    go(made, 120)
    assert runs(made) == ["openvino"]  # cpu is 8 % quicker
    made = racing(WITH_CARD, {"min_gain": 0.05}, cuda=40, openvino=12, cpu=11)
    go(made, 120)
    assert runs(made) == ["cpu"]


def test_only_the_first_of_the_list_are_fetched_and_tried():
    made = racing(WITH_CARD, {"candidates": 2}, cuda=40, openvino=39, cpu=1)
    go(made, 120)
    assert (runs(made), image("cpu") in made.puller.submitted) == (["cuda"], False)


def test_what_ran_before_serves_until_every_image_is_here():
    made = racing(WITH_CARD)
    made.puller.registry.discard(image("cpu"))
    made.push(manifest(2, scorer={"image": image("openvino")}))
    go(made, 30)
    assert made.last.ledger.accepted.version == 2
    push(made, 3)
    go(made, 30)
    assert [c.version for c in made.engine.containers() if c.running] == [2]
    assert made.tried == []
    made.puller.errors[image("cpu")] = ImageMissing("it is gone")  # then it is not waited for any longer
    made.puller.submit(next(one for one in made.last.target.fetch if one.reference == image("cpu")))
    go(made, 120)
    assert (made.last.ledger.accepted.version, runs(made)) == (3, ["cuda"])
    assert made.tried == ["cuda", "openvino", "cuda"]


def test_a_switch_to_what_is_only_quicker_waits_for_the_window_of_updates():
    made = racing(machine(**HOST), cuda=5, openvino=12, cpu=30)
    go(made, 120)
    assert (made.last.ledger.accepted.version, runs(made)) == (1, ["openvino"])
    made.rules = Rules(apply=(window_of("0 14 * * * for 2h", lambda _: UTC),))  # it is noon
    made.hardware = WITH_CARD  # and a card is put in
    made.boot()
    go(made, 3600)
    assert "cuda" not in made.tried
    window = "apply is for 0 14 * * * for 2h, until 2026-11-24T14:00:00.000Z"
    assert said(made) == (f"cuda waits to be measured: {window}", "window.apply", "healthy")
    assert explained("scorer", made.hardware, made.last.ledger)["variants"][0]["because"] == (
        f"not measured yet; waits to be measured: {window}"
    )
    saved = json.loads(json.dumps(facts_document("d", made.hardware, made.last.ledger)))
    assert replayed("scorer", saved) == explained("scorer", made.hardware, made.last.ledger)
    made.clock.advance(3600)
    go(made, 120)
    assert runs(made) == ["cuda"]
    assert said(made) == ("", "", "healthy")


def test_what_was_measured_to_be_quicker_waits_for_its_time_first_and_then_for_the_window():
    made = racing(WITH_CARD)
    go(made, 120)
    assert runs(made) == ["cuda"]
    made.hardware = machine(**HOST)
    wait(made, 2)
    made.rules = Rules(apply=(window_of("0 14 * * * for 2h", lambda _: UTC),))
    made.boot()
    go(made, 5)
    made.hardware = WITH_CARD
    wait(made, 4)
    assert said(made) == ("", "", "healthy")  # the window is not what it waits for
    wait(made, 3)
    assert runs(made) == ["openvino"]
    window = "apply is for 0 14 * * * for 2h, until 2026-11-24T14:00:00.000Z"
    assert said(made)[0] == f"cuda waits to be taken: {window}"
    found = explained("scorer", made.hardware, made.last.ledger)["variants"][0]
    assert (found["code"], found["because"]) == ("climbing", f"p95 10 ms here; waits to be taken: {window}")
    made.rules = Rules()
    made.boot()
    go(made, 30)
    assert (runs(made), said(made)) == (["cuda"], ("", "", "healthy"))


def test_one_that_does_not_prove_itself_is_left_out():
    made = racing(WITH_CARD, cuda=1)
    wrong = variant(
        "cuda", {"accelerator": "nvidia"}, probe=GOLDEN | {"golden": {"body": [1], "expect": [3]}}
    )
    push(made, 2, variants=[wrong, *VARIANTS[1:]])
    go(made, 180)
    assert runs(made) == ["openvino"]
    assert [(d.variant, d.code) for d in made.last.ledger.demotions] == [("cuda", "wrong_answer")]


def test_a_card_that_comes_later_is_measured_and_one_that_is_back_is_taken_in_its_time():
    made = racing(machine(**HOST), openvino=30, cpu=20)
    go(made, 90)
    assert (made.tried, runs(made)) == (["openvino", "cpu"], ["cpu"])
    made.hardware = WITH_CARD
    wait(made, 2)
    assert made.tried == ["openvino", "cpu", "cuda"]
    wait(made, 2)
    assert runs(made) == ["cuda"]
    made.hardware = machine(**HOST)
    wait(made, 1)
    assert runs(made) == ["cpu"]
    made.hardware = WITH_CARD
    wait(made, 4)
    assert runs(made) == ["cpu"]
    wait(made, 3)
    assert runs(made) == ["cuda"]
    assert made.tried.count("cuda") == 2  # its figure held; it only proved itself again


def test_what_is_not_known_for_a_while_has_nothing_measured_again():
    made = racing(WITH_CARD)
    go(made, 120)
    before = [c.run for c in made.engine.containers()]
    for doubtful in (
        machine(CARD, **HOST),
        machine(gpu(uuid=None), **HOST, **DRIVER),
        machine(CARD, **DRIVER),
    ):
        made.hardware = doubtful
        wait(made, 10)
        assert [c.run for c in made.engine.containers()] == before


def test_another_driver_has_the_variants_of_the_card_measured_again():
    made = racing(WITH_CARD)
    go(made, 120)
    assert runs(made) == ["cuda"]
    made.times["cuda"] = 90
    made.hardware = machine(CARD, **HOST, cuda="13.0", nvidia_driver="580.1")
    wait(made, 2)
    assert runs(made) == ["cuda"]  # it runs as it was measured; nobody restarts what serves
    figure = next(one for key, one in made.last.ledger.measured.items() if image("cuda") in key)
    assert figure.p95_s == 0.01


def test_a_pin_wins_over_figures():
    made = racing(WITH_CARD)
    go(made, 120)
    said = {"module": "scorer", "action": "pin", "variant": "cpu"}
    made.store.deliver("variant", "cli", json.dumps(said).encode(), made.clock.now())
    go(made, 30)
    assert runs(made) == ["cpu"]


def test_figures_are_explained_and_replayed():
    made = racing(WITH_CARD, cuda=40, openvino=12, cpu=30)
    go(made, 120)
    ledger = made.last.ledger
    found = explained("scorer", made.hardware, ledger)
    assert [(one["name"], one["code"], one["because"]) for one in found["variants"]] == [
        ("cuda", "not_quicker", "p95 40 ms here"),
        ("openvino", "fits", "p95 12 ms here"),
        ("cpu", "not_quicker", "p95 30 ms here"),
    ]
    assert found["variants"][0]["measured"]["p95Ms"] == 40.0
    assert (
        found["variants"][0]["wouldChange"]
        == "it is measured again: with another accelerator, driver or image"
    )
    saved = json.loads(json.dumps(facts_document("d", made.hardware, ledger)))
    assert replayed("scorer", saved) == found


def test_behind_a_front_somebody_serves_at_every_moment_while_they_are_tried():
    made = racing(machine(front=True, **HOST), openvino=30, cpu=20)
    push(made, 2, ports=["8080:5001"], health={"http": {"port": 5001, "path": "/"}, "interval": "1s"})
    served = []
    for _ in range(120):
        go(made, 1)
        front = made.last.observed.front("scorer")
        target = front.target.container if front is not None and front.target is not None else None
        served.append(any(c.ready and c.id == target for c in made.last.observed.containers))
    assert made.tried[:2] == ["openvino", "cpu"]
    assert runs(made) == ["cpu"]
    assert False not in served[served.index(True) :]
