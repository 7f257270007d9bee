"""What the page says beside the status: the plan in words, the variants with reasons, the hardware in short."""

from __future__ import annotations

from typing import get_args

from edgetender.decide.insight import _VERBS, insight
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.plan import Plan, Start, Step, Stop
from edgetender.model.target import Considered, Target


def test_every_step_there_is_has_words() -> None:
    assert set(_VERBS) == {kind.__name__ for kind in get_args(Step)}


def test_the_plan_is_told_in_its_order_with_reasons_and_what_waits() -> None:
    plan = Plan(
        (Stop("scorer", "c", 10, "version 2 takes over"), Start("ocr", "d")), held=(("x", "again in 20 s"),)
    )
    assert insight(Target(), plan, Hardware())["plan"] == {
        "steps": ["stop scorer: version 2 takes over", "start ocr"],
        "held": [{"module": "x", "why": "again in 20 s"}],
    }


def test_variants_come_with_their_verdicts_and_of_the_hardware_what_people_ask_for() -> None:
    target = Target(considered=(Considered("scorer", "cuda", "rejected", "needs nvidia"),))
    found = insight(
        target, Plan(), Hardware((Fact("arch", "arm64", "uname"), Fact("kernel", "6.1", "/proc")))
    )
    assert found["variants"] == [
        {"module": "scorer", "variant": "cuda", "verdict": "rejected", "because": "needs nvidia"}
    ]
    assert found["hardware"] == [{"name": "arch", "value": "arm64", "detail": ""}]
