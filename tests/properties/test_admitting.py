"""Whatever arrives is decided; the floor only rises; saying it again changes nothing."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.codec import MAX_BYTES
from edgetender.decide.admission import admit, floor_held, take
from edgetender.decide.intake import digest
from edgetender.decide.verdict import Accept, RollBack, settle
from edgetender.model.ledger import Delivery, Ledger
from edgetender.model.observed import Observed
from edgetender.model.reading import read_manifest
from tests.builders.effort import examples
from tests.builders.manifests import delivery, manifest, module
from tests.builders.worlds import observations, target_of
from tests.fakes.clock import NOON

numbers = (
    st.integers() | st.floats(allow_nan=False) | st.sampled_from([10**400, -(10**400), 2**53, 1e308, -0.0])
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def broken_manifests(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest in which one place holds something else."""
    document = manifest(
        draw(st.integers(1, 4)),
        a=module(
            env={"X": "1"},
            ports=["9000:5001"],
            volumes=[{"name": "v", "path": "/v"}],
            command=["x"],
            resources={"memory": "64MiB", "cpus": 1.5, "pids": 10},
            health={"http": {"path": "/"}, "deadline": "9s"},
        ),
        b={"variants": [{"name": "only", "image": "registry.example/b:1", "requires": {"arch": "amd64"}}]},
    )
    document |= {"update": {"settle": "2s"}, "registries": {"registry.example": {"credential": "c"}}}
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.integers(0, 3)) == 0:
            place[key] = draw(values)
            return document
        place = place[key]


bodies = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | values.map(lambda value: json.dumps(value).encode())
    | broken_manifests().map(lambda value: json.dumps(value).encode())
)
arrivals = st.sampled_from([manifest(v, a=module(env={"X": x})) for v in (1, 2, 3, 4, 9) for x in "ab"])


@examples(500)
@given(st.sampled_from(["manifest", "restart", "rollback", "anything"]), bodies)
def test_any_bytes_get_a_decision_and_never_an_exception(kind: str, body: bytes):
    began = time.process_time()
    arrived = Delivery(7, kind, "mqtt", body, NOON)
    intake = digest(arrived, Ledger(), Observed(), {}, lambda slot: read_manifest(slot.body.encode()))
    assert time.process_time() - began < 1
    assert intake.decision.delivery == 7
    assert intake.decision.code in {200, 400, 404, 406, 409}
    assert len(intake.decision.description) < 4000


HUGE = {
    "ten thousand ports on one host port": manifest(
        1, a=module(ports=[f"1.{n // 62500}.{n // 250 % 250}.{n % 250}:1:1" for n in range(14_000)])
    ),
    "fifteen thousand modules": manifest(1, **{f"m{n}": {} for n in range(15_000)}),
    "unknown keys": manifest(1) | {f"k{n}": n for n in range(20_000)},
    "one key of a quarter megabyte": manifest(1) | {"k" * 250_000: 1},
    "twenty thousand variants": manifest(1, a={"variants": [{"name": "x"}] * 20_000}),
    "a schema of a quarter megabyte": manifest(1) | {"schema": "x" * 250_000},
    "numbers that grow when written out": manifest(
        1, a={"variants": [{"name": "x", "image": "r.example/i:1", "requires": {"new": [1e15] * 40_000}}]}
    ),
    "an environment of a quarter megabyte": manifest(1, a=module(env={"X": "\u00e9" * 40_000})),
}  # fmt: skip
RAW = {
    "the largest body of brackets": b"[" * MAX_BYTES,
    "the largest string": b'"' + b"\\u00e9" * (MAX_BYTES // 6),
    "many long numbers": b"[" + b",".join([b"9" * 4000] * 60) + b"]",
    "one number of a quarter megabyte": b"9" * MAX_BYTES,
    "duplicate keys": b"{" + b",".join([b'"a":1'] * 40_000) + b"}",
    "more than is read": b" " * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", [*HUGE, *RAW])
def test_the_most_hostile_documents_are_refused_in_few_words(name: str):
    body = RAW[name] if name in RAW else json.dumps(HUGE[name]).replace("1000000000000000.0", "1e15").encode()
    desired = admit(Delivery(1, "manifest", "mqtt", body, NOON), Ledger()).desired
    assert desired.code == 400
    assert (
        sum(len(text) for problem in desired.problems for text in problem) + len(desired.description) < 60_000
    )


def test_numbers_beyond_every_range_are_faults_with_a_path():
    for field, value in (("deadline", -(10**400)), ("interval", 10**400), ("deadline", -1)):
        body = manifest(1, a=module(health={field: value}))
        problems = admit(delivery(body), Ledger()).desired.problems
        assert [path for path, _, _ in problems] == [f"modules.a.health.{field}"]
    for value in (-(10**400), 10**400, -1, "-1"):
        problems = admit(
            delivery(manifest(1, a=module(resources={"memory": value}))), Ledger()
        ).desired.problems
        assert [path for path, _, _ in problems] == ["modules.a.resources.memory"]
    problems = admit(delivery(manifest(1, a=module(resources={"cpus": 10**400}))), Ledger()).desired.problems
    assert [path for path, _, _ in problems] == ["modules.a.resources.cpus"]


@examples(200)
@given(st.lists(st.tuples(arrivals, st.sampled_from(["", "accept", "roll back", "lost floor"])), max_size=12))
def test_the_floor_only_rises_and_nothing_below_it_is_taken(life):
    ledger = Ledger()
    for document, then in life:
        floor = ledger.floor
        admission = admit(delivery(document), ledger)
        if admission.slot is not None:
            assert admission.slot.version >= floor
        ledger = take(ledger, admission)
        assert ledger.floor >= floor
        assert take(ledger, admit(delivery(document), ledger)).candidate == ledger.candidate
        if then == "accept":
            ledger = settle(ledger, Accept(), NOON)
        if then == "roll back":
            ledger = settle(ledger, RollBack("it crashed"), NOON)
        assert ledger.floor >= floor


@examples(200)
@given(st.lists(arrivals, min_size=1, max_size=8), st.sampled_from(["wait", "accept", "roll back"]))
def test_redelivery_of_the_newest_manifest_changes_nothing(documents, then: str):
    ledger = Ledger()
    newest = None
    for document in documents:
        admission = admit(delivery(document), ledger)
        newest = document if admission.slot is not None else newest
        ledger = take(ledger, admission)
    verdict = {"accept": Accept(), "roll back": RollBack("it crashed")}.get(then)
    ledger = settle(ledger, verdict, NOON) if verdict else ledger
    assert newest is not None
    again = take(ledger, admit(delivery(newest), ledger))
    if then != "roll back":
        assert again == ledger
    assert take(again, admit(delivery(newest), again)) == again
    assert again.candidate == ledger.candidate


@examples(50)
@given(observations(target_of(manifest(1, a=module())).containers), st.integers(0, 3))
def test_the_floor_is_never_below_what_the_labels_say_runs(observed: Observed, floor: int):
    held = floor_held(Ledger(floor=floor, floor_sha256="ab"), observed)
    assert held.floor == max([floor, *(container.version for container in observed.containers)])
    assert held.floor_sha256 == ("ab" if held.floor == floor else "")
