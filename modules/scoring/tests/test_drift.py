"""Is drift seen where there is some, not where there is none, and whatever somebody sends?"""

import json
import math
import random
import statistics
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetender_scoring.collector import Collect, Collector
from edgetender_scoring.drift import LEAST_ROWS, Reference, Window, baseline_in, psi, rows_in
from edgetender_scoring.message import Request
from edgetender_scoring.watching import Drift

SCRIPT = "def init(): ...\ndef run(data): return [1]"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "input_data", "inputs", "columns", "shape", "name", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
# the deciles of a standard normal distribution
EDGES = (-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816)
NORMAL = Reference(0.0, 1.0, EDGES, (0.1,) * 10)


def window(values):
    found = Window({"x": NORMAL})
    for value in values:
        found.add({"x": value})
    return found.summary()["x"]


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_what_comes_from_the_baseline_s_distribution_has_an_index_near_nothing(seed):
    rng = random.Random(seed)
    assert window(rng.gauss(0, 1) for _ in range(1000))["psi"] < 0.05


@given(st.integers(0, 10_000), st.sampled_from([(1.0, 1.0), (-1.0, 1.0), (0.0, 3.0), (0.0, 0.2)]))
@settings(max_examples=30)
def test_a_shift_of_one_deviation_or_another_spread_is_drift(seed, moved):
    rng = random.Random(seed)
    assert window(rng.gauss(*moved) for _ in range(1000))["psi"] > 0.25


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=10).flatmap(
        lambda shares: st.tuples(
            st.just(shares), st.lists(st.integers(0, 1000), min_size=len(shares), max_size=len(shares))
        )
    )
)
def test_the_index_is_a_number_that_is_never_negative_and_none_for_few_rows(given_):
    shares, counts = given_
    found = psi(shares, counts)
    if sum(counts) < LEAST_ROWS:
        assert found is None
    else:
        assert found is not None
        assert found >= 0
        assert math.isfinite(found)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_mean_and_deviation_are_those_of_all_values(values):
    found = window(values)
    assert found["mean"] == pytest.approx(statistics.fmean(values), rel=1e-4, abs=1e-3)
    assert found["stddev"] == pytest.approx(statistics.stdev(values), rel=1e-3, abs=1e-2)


@given(JSON)
def test_nothing_that_is_sent_is_an_exception(document):
    found = Window({"0": NORMAL, "a": NORMAL})
    for row in rows_in(document):
        found.add(row)
    json.dumps(found.summary(), allow_nan=False)


@pytest.mark.parametrize(
    "document",
    [
        [[1, 2], [3, 4]],
        {"data": [[1, 2], [3, 4]]},
        {"input_data": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}},
        {"data": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
        {"Inputs": {"data": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}},
        {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]}]},
        {"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}]},
        {
            "inputs": [
                {"name": "a", "shape": [2], "data": [1, 3]},
                {"name": "b", "shape": [2], "data": [2, 4]},
            ]
        },
    ],
)
def test_rows_are_found_however_they_are_asked(document):
    assert [list(row.values()) for row in rows_in(document)] == [[1, 2], [3, 4]]
    assert {name for row in rows_in(document) for name in row} in ({"0", "1"}, {"a", "b"})


def test_a_long_request_is_looked_at_evenly():
    assert 128 <= len(list(rows_in([[n] for n in range(100_000)]))) <= 256


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"features": {}},
        {"features": {"x": {"mean": 0, "stddev": 1, "edges": [1, 2], "shares": [1, 0]}}},
    ],
)
def test_what_is_no_baseline_says_so(document):
    with pytest.raises(ValueError, match="no baseline"):
        baseline_in(document)


class Told:
    """A stream that keeps what it is told; *takes* says whether."""

    def __init__(self):
        self.said, self.takes = [], True

    def append(self, record):
        if self.takes:
            self.said.append(record["drift"])
        return self.takes

    def end(self): ...


def test_each_hour_is_told_once_with_what_came_in_it():
    told, now = Told(), [0.0]
    drift = Drift({"0": NORMAL}, told, lambda: now[0])
    for minute in range(150):
        now[0] = minute * 60.0
        drift.append({"input": [[0.1], [-0.1]]})
    assert [(one["from"], one["to"], one["rows"]) for one in told.said] == [(0, 3600, 120), (3600, 7200, 120)]
    assert told.said[0]["features"]["0"]["mean"] == pytest.approx(0)
    assert drift.latest["0"]["rows"] == 60
    drift.close()
    assert told.said[2]["rows"] == 60


def test_an_hour_that_the_agent_did_not_take_is_offered_again_and_counting_goes_on():
    told, now = Told(), [0.0]
    drift = Drift({"0": NORMAL}, told, lambda: now[0])
    drift.append({"input": [1]})
    told.takes, now[0] = False, 3600.0
    drift.append({"input": [2]})
    told.takes, now[0] = True, 3640.0
    drift.append({"input": [3]})
    assert [one["rows"] for one in told.said] == [1]
    assert drift.latest["0"]["rows"] == 2


def test_comparing_is_bounded_in_how_often(tmp_path):
    collector = Collector(Collect(tmp_path, baseline={"0": NORMAL}, per_second=5.0))
    for _ in range(1000):
        collector.note(Request("POST", b"/score", b"", keep_alive=True, body=b"[[1]]"), 200, b"", "", "")
    collector.close()
    assert collector.drift.latest["0"]["rows"] <= 3


def test_the_baseline_of_the_image_is_found_and_the_figures_are_in_the_metrics(serving, tmp_path):
    features = {"x": {"mean": 0, "stddev": 1, "edges": list(EDGES), "shares": [0.1] * 10}}
    (tmp_path / "edgetender-baseline.json").write_text(json.dumps({"features": features}))
    with serving(SCRIPT) as server:
        server.score(json.dumps({"data": [{"x": 5.0, "y": 1}] * 200}).encode())
        deadline = time.monotonic() + 60
        while b'feature_psi{feature="x"}' not in (found := server.ask("GET", "/metrics").body):
            assert time.monotonic() < deadline, found
    figures = dict(line.rsplit(" ", 1) for line in found.decode().splitlines() if line[0] != "#")
    assert float(figures['edgetender_scoring_feature_mean{feature="x"}']) == 5.0
    assert float(figures['edgetender_scoring_feature_rows{feature="x"}']) == 200
    assert float(figures['edgetender_scoring_feature_psi{feature="x"}']) > 1


def test_a_baseline_that_is_none_and_a_stream_without_one_end_the_start(serving, tmp_path):
    for names, said in (
        (
            {"EDGETENDER_SCORING_DRIFT_STREAM": "drift", "EDGETENDER_MESSAGES": "/x"},
            "package it with --baseline",
        ),
        ({"EDGETENDER_SCORING_BASELINE": "none.json"}, "No such file"),
    ):
        with pytest.raises(AssertionError, match=said), serving(SCRIPT, **names):
            pass
