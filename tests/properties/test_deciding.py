"""Laws of the small decisions: variants, back-off, readiness, the codec."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgetender.codec import MAX_DEPTH, canonical, decode
from edgetender.decide.backoff import CAP_S, delay_s, due_at, is_due
from edgetender.decide.readiness import Asked, fold, pause_s
from edgetender.decide.variants import choose
from edgetender.errors import ManifestInvalid
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.ledger import Attempt, Demotion
from edgetender.model.manifest import Module, Variant
from edgetender.model.observed import Readiness
from edgetender.model.target import HealthSpec
from tests.builders.effort import examples
from tests.builders.manifests import image
from tests.fakes.clock import NOON

# --- variants

requirements = st.fixed_dictionaries(
    {},
    optional={
        "arch": st.sampled_from(["amd64", "arm64"]),
        "accelerator": st.sampled_from(["none", "nvidia"]),
        "npu": st.just("new"),
    },
)
facts = st.lists(
    st.builds(
        Fact,
        st.just("arch"),
        st.sampled_from(["amd64", "arm64", None]),
        st.just("test"),
    )
    | st.builds(Fact, st.just("accelerator"), st.sampled_from(["none", "nvidia", None]), st.just("test"))
    | st.builds(Fact, st.sampled_from(["memory", "cores"]), st.integers(1, 9), st.just("test")),
    unique_by=lambda fact: fact.name,
    max_size=4,
)


def variant(number: int, requires: dict) -> dict:
    return {"name": f"v{number}", "image": image(f"v{number}"), "requires": requires}


modules = st.lists(requirements, min_size=1, max_size=5).map(
    lambda wanted: Module.model_validate({"variants": [variant(n, each) for n, each in enumerate(wanted)]})
)


def fallen(module: Module, which: set[int]) -> list[Demotion]:
    return [
        Demotion("m", v.name, v.image, "crashed", NOON) for n, v in enumerate(module.variants) if n in which
    ]


def fits(one: Variant, hardware: Hardware) -> bool:
    """Whether it would be chosen if there were no other."""
    return choose("m", Module(variants=[one]), hardware, ())[0] is not None


@examples(200)
@given(modules, facts, st.sets(st.integers(0, 4)))
def test_every_variant_gets_one_verdict_and_the_first_that_fits_and_holds_is_chosen(module, known, which):
    hardware = Hardware(tuple(known))
    chosen, considered = choose("m", module, hardware, fallen(module, which))
    assert [one.variant for one in considered] == [one.name for one in module.variants]
    assert all(one.because for one in considered)
    fitting = [v for n, v in enumerate(module.variants) if fits(v, hardware) and n not in which]
    assert chosen == (fitting[0] if fitting else None)
    verdicts = [one.verdict for one in considered]
    assert verdicts.count("chosen") == (1 if fitting else 0)
    assert verdicts.count("eligible") == max(0, len(fitting) - 1)


@examples(100)
@given(modules, facts, st.sets(st.integers(0, 4)), st.randoms())
def test_the_order_of_facts_and_of_demotions_changes_nothing(module, known, which, chance):
    mixed, demotions = list(known), fallen(module, which)
    before = choose("m", module, Hardware(tuple(known)), tuple(demotions))
    chance.shuffle(mixed)
    chance.shuffle(demotions)
    assert choose("m", module, Hardware(tuple(mixed)), demotions) == before


@examples(100)
@given(modules, facts, st.integers(0, 5))
def test_a_variant_that_does_not_fit_changes_nothing_wherever_it_stands(module, known, place):
    hardware = Hardware(tuple(known))
    assume(not fits(Module.model_validate({"variants": [variant(9, {"npu": "new"})]}).variants[0], hardware))
    dumped = [v.model_dump() for v in module.variants]
    dumped.insert(place, variant(9, {"npu": "new"}))
    chosen, considered = choose("m", Module.model_validate({"variants": dumped}), hardware, ())
    before, verdicts = choose("m", module, hardware, ())
    assert chosen == before
    assert tuple(one for one in considered if one.variant != "v9") == verdicts


# --- back-off

names, counts = st.text(max_size=20), st.integers(-5, 10**9)


@examples(300)
@given(names, counts)
def test_a_delay_is_between_three_quarters_of_a_second_and_five_minutes(name: str, failures: int):
    delay = delay_s(name, failures)
    assert 0.75 <= delay <= CAP_S
    assert delay == delay_s(name, failures)


@examples(200)
@given(names, st.integers(1, 30))
def test_a_delay_does_not_shrink_until_it_is_capped(name: str, failures: int):
    assert delay_s(name, failures + 1) >= min(delay_s(name, failures), CAP_S * 0.75)


@examples(200)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(-(10**8), 10**8))
def test_one_waits_no_longer_than_the_delay_also_when_the_clock_was_set_back(failures, excused, seconds):
    attempt = Attempt(failures, NOON, "x", "x", excused)
    now = NOON + timedelta(seconds=seconds)
    if not is_due("m", attempt, now):
        assert NOON <= now < due_at("m", attempt) <= NOON + timedelta(seconds=CAP_S)
    assert is_due("m", attempt, due_at("m", attempt))


# --- readiness

specs = st.builds(
    HealthSpec,
    port=st.just(5001),
    interval_s=st.floats(0, 600),
    failures=st.integers(1, 5),
    deadline_s=st.floats(0, 600),
)


@examples(200)
@given(specs, st.lists(st.tuples(st.none() | st.just("503"), st.floats(0, 1000)), max_size=12))
def test_readiness_is_lost_only_after_failures_in_a_row_and_never_had_only_past_the_deadline(spec, answers):
    asked, ran, in_a_row = Asked(), 0.0, 0
    for refusal, seconds in answers:
        ran += seconds
        was_ready = asked.ever_ready
        asked = fold(asked, refusal, spec, ran, NOON + timedelta(seconds=ran))
        in_a_row = in_a_row + 1 if refusal else 0
        if refusal is None:
            assert asked.health.readiness is Readiness.READY
        elif was_ready:
            assert (asked.health.readiness is Readiness.FAILING) == (in_a_row >= spec.failures)
        else:
            assert (asked.health.readiness is Readiness.FAILING) == (ran >= spec.deadline_s)
        assert 0 <= pause_s(asked, spec, ran) <= max(spec.interval_s, 0)


# --- codec

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**50), 10**50)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@examples(300)
@given(documents)
def test_the_canonical_spelling_is_stable_and_says_the_same(value):
    first = canonical(value)
    assert canonical(decode(first)) == first
    assert canonical(json.loads(json.dumps(value))) == first


@examples(100)
@given(st.dictionaries(st.text(max_size=5), scalars, min_size=1, max_size=5), st.randoms())
def test_the_order_of_keys_and_escapes_do_not_matter(value, chance):
    keys = list(value)
    chance.shuffle(keys)
    assert canonical(decode(json.dumps({key: value[key] for key in keys}).encode())) == canonical(value)


@examples(300)
@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_place(body: bytes):
    value, problems = None, ()
    try:
        value = decode(body)
    except ManifestInvalid as refused:
        problems = refused.problems
    if problems:
        assert all(problem.code.startswith("json.") for problem in problems)
    else:
        assert canonical(decode(canonical(value))) == canonical(value)


HOSTILE = {
    "json.duplicate_key": b'{"a": 1, "a": 2}',
    "json.number": b'{"a": NaN}',
    "json.depth": b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
    "json.encoding": b'"\xff"',
    "json.malformed": b"{",
    "json.oversized": b" " * 300_000,
}
MORE = [
    ("json.number", b"[-Infinity]"),
    ("json.number", b"1e999"),
    ("json.number", b"9" * 5000),
    ("json.encoding", b'"\\ud800"'),
    ("json.encoding", b'{"\\udfff": 1}'),
    ("json.encoding", b"\xef\xbb\xbf{}"),
    ("json.duplicate_key", b'[{"\\u0061": 1, "a": 2}]'),
    ("json.malformed", b""),
    ("json.malformed", b"{} {}"),
    ("json.malformed", b"{'a': 1}"),
    ("json.malformed", b"[1,]"),
]


@pytest.mark.parametrize(("code", "body"), [*HOSTILE.items(), *MORE])
def test_hostile_json_is_refused_by_name(code: str, body: bytes):
    with pytest.raises(ManifestInvalid) as refused:
        decode(body)
    assert refused.value.problems[0].code == code


def test_nesting_up_to_the_limit_is_read_and_brackets_in_text_do_not_count():
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    assert decode(b'"' + b"[" * 100 + b'\\""') == "[" * 100 + '"'
