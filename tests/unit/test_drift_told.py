"""What modules say of drift: read from the scoring server's own words, whatever else comes, and kept for a day."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.clock import rfc3339
from edgetender.decide.drifting import MOST, Drifts, drift_document, with_drift
from edgetender.model.drift import Drift, Feature, drift_in
from edgetender.trends import Trends
from edgetender_scoring.drift import Reference
from edgetender_scoring.watching import WINDOW_S
from edgetender_scoring.watching import Drift as Watching
from tests.fakes.clock import NOON, FakeClock

FEATURE = {"rows": 640, "mean": 1.5, "stddev": 0.5, "psi": 0.31}
_NORMAL = Reference(0.0, 1.0, (-1.0, 0.0, 1.0), (0.16, 0.34, 0.34, 0.16))


def told(until: datetime, **changed: Any) -> bytes:
    since = until - timedelta(hours=1)
    said = {"from": since.timestamp(), "to": until.timestamp(), "rows": 640, "features": {"bmi": FEATURE}}
    return json.dumps({"drift": said | changed}).encode()


class Sent:
    """Where a scoring server sends to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def append(self, record: Any) -> bool:
        self.bodies.append(json.dumps(record, ensure_ascii=False).encode())
        return True

    def end(self) -> None:
        """It never waits."""


def test_what_the_scoring_server_tells_each_hour_is_understood() -> None:
    sent, now = Sent(), [NOON.timestamp()]
    watching = Watching({"bmi": _NORMAL}, sent, clock=lambda: now[0])  # type: ignore[arg-type]
    watching.append({"input": {"data": [{"bmi": 3.0}] * 200}})
    now[0] += WINDOW_S
    watching.append({"input": {"data": [{"bmi": 0.0}]}})
    (body,) = sent.bodies
    said = drift_in(body)
    assert said is not None
    assert (said.since, said.until) == (NOON, NOON + timedelta(hours=1))
    assert (said.features["bmi"].rows, said.features["bmi"].mean) == (200, 3.0)
    assert (said.features["bmi"].psi or 0) > 0.25


@pytest.mark.parametrize(
    "message",
    [
        b'{"level": 3}',
        b'{"drift": 3}',
        b'["drift"]',
        b'"drift"',
        told(NOON, features={}),
        told(NOON, features={f"f{number}": FEATURE for number in range(65)}),
        told(NOON, features={"x" * 200: FEATURE}),
        told(NOON, features={"bmi": FEATURE | {"mean": "1"}}),
        told(NOON, features={"bmi": FEATURE | {"psi": True}}),
        told(NOON, features={"bmi": {"rows": 1}}),
        told(NOON, to=1e300),
        told(NOON, to=0),
        b'{"drift": ' + b"[" * 100_000,
    ],
    ids=lambda message: message[:60].decode(),
)
def test_what_is_something_else_says_nothing_of_drift(message: bytes) -> None:
    assert drift_in(message) is None


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3), lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["drift", "from", "to", "features", "rows", "mean", "stddev", "psi"]), one)))  # fmt: skip
def test_no_message_is_an_exception(document: Any) -> None:
    drift_in(json.dumps({"drift": document}).encode())


@given(st.lists(st.tuples(st.sampled_from(("scorer", "ocr")), st.integers(-3000, 3000))))
def test_however_much_is_told_and_the_clock_set_a_day_is_kept_and_a_bound_of_it(
    times: list[tuple[str, int]],
) -> None:
    drifts: Drifts = {}
    for module, minutes in times:
        now = NOON + timedelta(minutes=minutes)
        said = Drift(now - timedelta(hours=1), now, {"bmi": Feature(640, 1.5, 0.5, None)})
        drifts = with_drift(drifts, module, said, now)
        assert all(len(ones) <= MOST for ones in drifts.values())
        assert rfc3339(now) in [one["to"] for one in drift_document(drifts, now)[module]["bmi"]]
        assert drift_document(drifts, now + timedelta(days=2)) == {}


def test_the_day_is_told_by_module_and_feature_oldest_first() -> None:
    trends = Trends(FakeClock())
    trends.heard(
        "scorer", [told(NOON), b"1", told(NOON - timedelta(hours=1)), told(NOON - timedelta(days=2))]
    )
    hour = FEATURE | {"from": "2026-11-24T11:00:00.000Z", "to": "2026-11-24T12:00:00.000Z"}
    before = FEATURE | {"from": "2026-11-24T10:00:00.000Z", "to": "2026-11-24T11:00:00.000Z"}
    assert trends.document()["drift"] == {"scorer": {"bmi": [before, hour]}}
