"""What a plan says of the way there: bytes, layers, room, a gap; and which registries are asked for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest

from edgetender.decide.planning import plan_document, questions
from edgetender.model.gate import Hold, Rules
from edgetender.model.hardware import Hardware
from edgetender.model.image import Credential, ImageFacts, Layer, Surveyed
from edgetender.model.observed import Observed
from edgetender.model.window import window_of
from edgetender.registry.survey import BOUND_S, Surveyor
from edgetender.secret import Secret
from tests.builders.ledgers import holding
from tests.builders.loops import AMD64, FRONTED
from tests.builders.manifests import SCORER, body, image, manifest, module
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.registry import FakeImages

NEXT, ELSEWHERE = image("scorer", "2"), f"elsewhere.example/scorer@sha256:{'2' * 64}"
HERE = Observed(images=frozenset({SCORER}))
MIB = 1024 * 1024


def facts(reference: str, *layers: tuple[str, int]) -> ImageFacts:
    digest = reference.partition("@")[2]
    found = tuple(Layer(f"sha256:{name * 64}", size) for name, size in layers)
    return ImageFacts(digest, digest, "amd64", "", "linux", sum(one.size_bytes for one in found), found)


KNOWN = Surveyed(
    {
        SCORER: facts(SCORER, ("a", 500 * MIB), ("b", 100 * MIB)),
        NEXT: facts(NEXT, ("a", 500 * MIB), ("c", 40 * MIB)),
    }
)


def planned(surveyed: Surveyed = KNOWN, free_bytes: int | None = None, hardware: Hardware = AMD64, **more):
    document = manifest(2, scorer=module(image=NEXT, **more))
    return plan_document(
        body(document), holding(manifest(1)), hardware, HERE, surveyed=surveyed, free_bytes=free_bytes
    )


def asked(reference: str, ledger=None, observed: Observed | None = HERE, **more) -> list[str]:
    document = manifest(2, scorer=module(image=reference)) | more
    return [
        one.reference for one in questions(body(document), ledger or holding(manifest(1)), AMD64, observed)
    ]


def test_only_layers_that_no_image_here_has_are_counted():
    (pull,) = planned()["pulls"]
    assert (pull["bytes"], pull["totalBytes"]) == (40 * MIB, 540 * MIB)
    assert (pull["layersCached"], pull["layers"]) == (1, 2)


def test_the_room_it_needs_stands_beside_what_there_is():
    assert planned(free_bytes=2048 * MIB)["disk"] == {
        "needBytes": 600 * MIB, "haveBytes": 2048 * MIB,
    }  # fmt: skip
    assert planned()["disk"] is None


def test_a_registry_that_did_not_answer_leaves_the_size_open_and_says_why():
    told = planned(Surveyed({}, {NEXT: "cannot resolve it: connection refused"}), 2048 * MIB)
    assert (told["pulls"][0]["bytes"], told["pulls"][0]["why"], told["disk"]) == (
        None, "cannot resolve it: connection refused", None,
    )  # fmt: skip


def test_how_it_takes_over_is_told_for_what_changes():
    ported = {"ports": ["5001:5001"], "health": {"http": {"path": "/ready"}, "deadline": "30s"}}
    assert planned()["modules"][0]["rollout"] == "stop, start; runs, and well for 10s; away until it serves"
    assert planned(hardware=FRONTED, **ported)["modules"][0]["rollout"] == (
        "start beside, switch by proxy; ready within 30s, and well for 10s; no gap"
    )
    same = plan_document(body(manifest(1)), holding(manifest(1)), AMD64, HERE)
    assert (same["modules"][0]["rollout"], same["pulls"]) == ("", [])


def test_asked_is_for_what_is_missing_and_for_what_its_layers_may_be_shared_with():
    assert asked(NEXT) == [NEXT, SCORER]
    assert asked(SCORER) == []
    assert asked(NEXT, observed=None) == []


@pytest.mark.parametrize(
    ("reference", "more"),
    [
        pytest.param(ELSEWHERE, {"registries": {"elsewhere.example": {"credential": "corp"}}}, id="password"),
        pytest.param(ELSEWHERE, {}, id="address"),
        pytest.param(NEXT, {"registries": {"registry.example": {"credential": "corp"}}}, id="other_password"),
    ],
)
def test_who_asks_for_a_plan_cannot_send_this_device_or_its_passwords_anywhere(reference, more):
    assert asked(reference, **more) == []


# --- asking ---


class Slow(FakeImages):
    """Each answer takes a while."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def resolve(self, reference, **more):
        self._clock.advance(3)
        return super().resolve(reference, **more)


def surveyor(images: FakeImages, clock: FakeClock | None = None) -> Surveyor:
    credentials = FakeCredentials({"corp": Credential("pull", Secret("hunter2"), "corp")})
    return Surveyor(images, credentials, clock or FakeClock(), lambda: ("amd64", ""))


def wanted(*references: str):
    modules = {f"m{number}": module(image=one) for number, one in enumerate(references)}
    return questions(body(manifest(2, **modules)), holding(manifest(1)), AMD64, HERE)


def test_what_names_a_digest_is_asked_once():
    images = FakeImages()
    for reference, found in KNOWN.facts.items():
        images.hold(wanted(NEXT)[0].parsed if reference == NEXT else wanted(NEXT)[1].parsed, found)
    ask = surveyor(images)
    assert ask(wanted(NEXT)) == ask(wanted(NEXT)) == KNOWN
    assert len(images.asked) == 2


def test_a_registry_that_is_away_is_asked_once_and_nothing_fails():
    images = FakeImages()
    images.offline.add("registry.example")
    found = surveyor(images)(wanted(NEXT, image("other", "3")))
    assert set(found.unknown) == {NEXT, image("other", "3"), SCORER}
    assert all("connection refused" in why for why in found.unknown.values())
    assert len(images.asked) == 1


def test_after_its_bound_no_further_question_is_begun():
    clock = FakeClock()
    found = surveyor(Slow(clock), clock)(wanted(NEXT, image("other", "3"), image("third", "4")))
    assert [f"longer than {BOUND_S:g} s" in why for why in found.unknown.values()] == [
        False,
        False,
        True,
        True,
    ]


class Nested(FakeImages):
    """Somebody else asks for a plan while this one is asking."""

    def resolve(self, reference, **more):
        self.meanwhile = self.ask(wanted(NEXT))
        return super().resolve(reference, **more)


def test_who_asks_meanwhile_goes_without_and_nobody_is_held_up():
    images = Nested()
    images.ask = surveyor(images)
    images.ask(wanted(NEXT))
    assert images.meanwhile.unknown == dict.fromkeys([NEXT, SCORER], "somebody else is asking; ask again")
    assert len(images.asked) == 2


# --- going back


def test_a_version_to_go_back_to_is_not_refused_and_waits_for_no_window():
    night = Rules(apply=(window_of("0 2 * * sat for 4h", lambda _: UTC),))
    ledger = holding(manifest(2, scorer=module(image=NEXT)))
    there = plan_document(body(manifest(1)), ledger, AMD64, HERE, night, NOON)
    back = plan_document(body(manifest(1)), ledger, AMD64, HERE, night, NOON, back=True)
    assert len(there["notes"]) == 2
    assert (back["notes"], back["pulls"]) == ([], [])
    held = replace(ledger, holds={"": Hold("cli (uid 0)", NOON, None, "fair")})
    assert (
        "held by cli"
        in plan_document(body(manifest(1)), held, AMD64, HERE, night, NOON, back=True)["notes"][0]
    )


def test_going_back_to_what_runs_waits_for_nothing_whatever_is_held():
    held = {"": Hold("cli (uid 0)", NOON, None, "fair")}
    ledger = replace(holding(manifest(1), manifest(2, scorer=module(image=NEXT))), holds=held)
    assert plan_document(body(manifest(1)), ledger, AMD64, HERE, Rules(), NOON, back=True)["notes"] == []
