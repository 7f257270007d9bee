"""A started variant shows where it computes, that it computes rightly, and how quickly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgetender.decide.failures import marked
from edgetender.decide.look import look_at
from edgetender.decide.proving import PASSED, Answer, Progress, after, begun, request
from edgetender.decide.resolving import resolve
from edgetender.model.ledger import Demotion, Ledger
from edgetender.model.observed import Readiness
from edgetender.model.reading import manifest_of
from edgetender.model.target import HealthSpec, Proving
from edgetender.prober import Prober, Subject
from tests.builders.hardware import machine, variant
from tests.builders.manifests import image, manifest, slot
from tests.fakes.clock import NOON, FakeClock

CUDA = "CUDAExecutionProvider"
ON_CUDA = (
    f'edgetender_scoring_provider_info{{model="m",version="1",requested="{CUDA}",actual="{CUDA}"}} 1\n'
    f'edgetender_scoring_provider_nodes_ratio{{model="m",version="1",provider="{CUDA}"}} 0.9200\n'
).encode()
ON_CPU = ON_CUDA.replace(f'actual="{CUDA}"'.encode(), b'actual="CPUExecutionProvider"')


def proved(proving: Proving, *answers: Answer) -> Progress:
    progress = begun(proving)
    for answer in answers:
        if not progress.ended:
            progress = after(progress, proving, answer)
    return progress


@pytest.mark.parametrize(
    ("body", "share", "expected"),
    [
        (ON_CUDA, 0.0, PASSED),
        (ON_CUDA, 0.9, PASSED),
        (ON_CUDA, 0.95, "provider_not_active: CUDAExecutionProvider runs 92% of the nodes, 95% are asked for"),
        (ON_CPU, 0.0, "provider_not_active: CUDAExecutionProvider is required, it runs on CPUExecutionProvider"),
        (b"nothing of it", 0.0, "provider_not_active: CUDAExecutionProvider is required, and the image does not say what runs"),
        (json.dumps({"providers_active": [CUDA], "node_share": {CUDA: 1.0}}).encode(), 0.5, PASSED),
        (json.dumps({"providers_active": [CUDA], "golden": {"passed": True}}).encode(), 0.0, PASSED),
        (json.dumps({"providers_active": [CUDA], "golden": {"passed": None}}).encode(), 0.0, PASSED),
        (json.dumps({"providers_active": [CUDA], "golden": {"passed": False, "reason": "output 'y' differs by up to 2"}}).encode(), 0.0, "wrong_answer: output 'y' differs by up to 2"),
        (json.dumps({"providers_active": [CUDA], "golden": "passed"}).encode(), 0.0, PASSED),
        (b'{"providers_active": 3}', 0.0, "provider_not_active: CUDAExecutionProvider is required, and the image does not say what runs"),
    ],
)  # fmt: skip
def test_the_provider_must_be_where_the_model_runs(body: bytes, share: float, expected: str):
    assert proved(Proving(provider=CUDA, min_share=share), Answer(200, body)).ended == expected


def golden(**more: Any) -> Proving:
    return Proving(golden_body='{"data":[1]}', golden_expect='{"y":[0.5,{"label":"ok"}]}', **more)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ({"y": [0.5, {"label": "ok"}]}, True),
        ({"y": [0.5004, {"label": "ok"}], "took": 3}, True),
        ({"y": [0.52, {"label": "ok"}]}, False),
        ({"y": [0.5, {"label": "no"}]}, False),
        ({"y": [0.5]}, False),
        ([], False),
    ],
)
def test_a_known_input_has_its_known_answer_within_the_tolerance(answer: Any, right: bool):
    ended = proved(golden(), Answer(200, json.dumps(answer).encode())).ended
    assert ended == (PASSED if right else "wrong_answer: the known input has another answer than expected")


def good(seconds: float) -> Answer:
    return Answer(200, b'{"y": [0.5, {"label": "ok"}]}', seconds)


def test_warm_up_is_not_timed_and_19_of_20_answers_must_be_quick():
    proving = golden(p95_max_s=0.04, warmup=2, runs=20)
    assert proved(proving, good(9), good(9), *[good(0.03)] * 19, good(5)).ended == PASSED
    slow = proved(proving, good(9), good(9), *[good(0.03)] * 18, good(0.5), good(0.5))
    assert slow.ended == "slow: p95 is 500.0 ms, at most 40 ms is asked for"


def report(p95: Any, **more: Any) -> Answer:
    said = {"providers_active": [CUDA], "latency_ms": {"p50": 1, "p95": p95}} | more
    return Answer(200, json.dumps(said).encode())


@pytest.mark.parametrize(
    ("p95", "ended", "p95_s"),
    [
        (30.0, PASSED, 0.03),
        (55.5, "slow: p95 is 55.5 ms, at most 40 ms is asked for", 0.0555),
        ("soon", "not_timed: at most 40 ms is asked for, there is no known input to time, and the image does not say how long it takes", None),
        (-1, "not_timed: at most 40 ms is asked for, there is no known input to time, and the image does not say how long it takes", None),
    ],
)  # fmt: skip
def test_without_a_known_input_the_report_says_how_long_it_takes(p95: Any, ended: str, p95_s: float | None):
    for provider in (CUDA, None):
        proving = Proving(provider=provider, p95_max_s=0.04)
        assert request(begun(proving), proving).path == "/health/hardware"
        progress = proved(proving, report(p95))
        assert (progress.ended, progress.p95_s) == (ended, p95_s)


def test_times_are_taken_where_they_are_wanted_though_nothing_limits_them():
    progress = proved(golden(timed=True, warmup=1, runs=2), good(9), good(0.03), good(0.02))
    assert (progress.ended, progress.p95_s) == (PASSED, 0.03)
    assert proved(Proving(timed=True), report("soon")).ended == PASSED
    assert proved(golden(), good(9)).p95_s is None


def test_no_answer_at_all_is_no_verdict():
    assert proved(Proving(provider=CUDA), Answer(error="connection refused")).ended == ""


def test_what_is_asked_goes_to_the_figures_first_and_then_to_the_model():
    proving = golden(provider=CUDA)
    assert request(begun(proving), proving).path == "/metrics"
    progress = proved(proving, Answer(200, ON_CUDA))
    assert (request(progress, proving).method, request(progress, proving).path) == ("POST", "/score")


def test_a_manifest_s_wishes_become_a_proof_of_the_container():
    wanted = variant(
        "cuda",
        provider=CUDA,
        probe={"start_timeout": "15m", "min_share": 0.5, "golden": {"body": [1], "expect": [2]}},
    )
    document = manifest(1, m={"variants": [wanted]})
    (spec,) = resolve(slot(document), manifest_of(document), machine(), Ledger()).containers
    assert (spec.health.deadline_s, spec.health.port) == (900.0, 5001)
    assert spec.health.proving is not None
    assert (spec.health.proving.provider, spec.health.proving.golden_expect) == (CUDA, "[2]")
    plain = manifest(1, m={"variants": [variant("cuda")]})
    (other,) = resolve(slot(plain), manifest_of(plain), machine(), Ledger()).containers
    assert other.health.proving is None
    assert other.digest == spec.digest  # how it is judged restarts nothing


class Bench:
    """A prober on fakes: the container is ready, and answers its proof with *bodies*, one after the other."""

    def __init__(self, proving: Proving, *bodies: bytes) -> None:
        self.clock, self.bodies = FakeClock(), list(bodies)
        self.asked: list[str] = []
        self.silent = False
        self.prober = Prober(lambda *_: None, self.clock, lambda: None, self._exchange)
        self.prober.watch([Subject("c", "10.0.0.2", NOON, HealthSpec(port=5001, proving=proving))])

    def _exchange(
        self, address: str, port: int, method: str, path: str, body: bytes, timeout_s: float
    ) -> Any:
        self.asked.append(path)
        if self.silent:
            return 0, b"", 0.0, "connection refused"
        return 200, self.bodies.pop(0), 0.01, ""

    def ask(self) -> Any:
        self.prober.ask_due()
        return self.prober.health("c", NOON)


def test_a_container_is_ready_only_once_it_has_proven_itself_and_is_asked_no_more_then():
    bench = Bench(golden(provider=CUDA), ON_CUDA, good(0).body)
    assert bench.ask().readiness is Readiness.UNKNOWN
    assert bench.ask().readiness is Readiness.READY
    bench.clock.advance(3000)
    assert bench.ask().readiness is Readiness.READY
    assert bench.asked == ["/metrics", "/score"]


def test_who_does_not_answer_its_proof_is_asked_again_after_a_pause():
    bench = Bench(golden(provider=CUDA), ON_CUDA, good(0).body)
    bench.silent = True
    for _ in range(5):
        assert bench.ask().readiness is Readiness.UNKNOWN
    assert bench.asked == ["/metrics"]
    bench.clock.advance(5)
    bench.silent = False
    bench.ask()
    assert bench.ask().readiness is Readiness.READY  # its answers follow upon one another


def test_every_hour_it_shows_once_more_that_it_computes_where_it_should_and_serves_meanwhile():
    """A container may lose its card when systemd reloads its units, and answer on as if nothing was."""
    right = good(0).body
    timed = golden(provider=CUDA, p95_max_s=1.0, warmup=0, runs=3)
    bench = Bench(timed, ON_CUDA, right, right, right, ON_CUDA, right, ON_CPU)
    for _ in range(4):
        bench.ask()
    assert bench.ask().readiness is Readiness.READY
    assert bench.asked == ["/metrics", "/score", "/score", "/score"]
    for path in ("/metrics", "/score"):  # not timed again: it has work to do
        bench.clock.advance(3600 if path == "/metrics" else 5)
        assert bench.ask().readiness is Readiness.READY
        assert bench.asked[-1] == path
    assert (bench.ask().p95_s, len(bench.asked)) == (0.01, 6)
    bench.clock.advance(3600)
    health = bench.ask()
    assert health.readiness is Readiness.FAILING
    assert health.detail.startswith("not proven: provider_not_active: ")


def test_what_runs_and_is_to_prove_something_else_is_not_failing_while_it_does():
    """A manifest that changes the proof alone leaves its container running."""
    bench = Bench(golden(), good(0).body, *[good(0).body] * 9)
    assert bench.ask().readiness is Readiness.READY
    bench.prober.watch(
        [Subject("c", "10.0.0.2", NOON, HealthSpec(port=5001, proving=golden(runs=9, timed=True)))]
    )
    assert bench.prober.health("c", NOON).readiness is Readiness.UNKNOWN
    seen = {bench.ask().readiness for _ in range(8)}
    assert seen == {Readiness.UNKNOWN}


def ran_for_an_hour(*bodies: bytes) -> Bench:
    """An agent that comes back and finds a container that serves."""
    bench = Bench(golden(runs=9, timed=True), *bodies)
    bench.clock.advance(3600)
    bench.prober.watch([])
    spec = HealthSpec(port=5001, proving=golden(runs=9, timed=True))
    bench.prober.watch([Subject("c", "10.0.0.2", NOON, spec)])
    return bench


def test_what_ran_before_the_agent_came_back_is_not_failing_while_it_is_proven():
    bench = ran_for_an_hour(*[good(0).body] * 12)
    assert [bench.ask().readiness for _ in range(12)] == [Readiness.UNKNOWN] * 11 + [Readiness.READY]


def test_who_cannot_be_proven_within_its_deadline_is_failing_however_long_it_ran():
    bench = ran_for_an_hour()
    bench.silent = True
    for _ in range(23):
        assert bench.ask().readiness is Readiness.UNKNOWN
        bench.clock.advance(5)
    bench.clock.advance(5)
    assert bench.ask().readiness is Readiness.FAILING


def test_one_that_fell_to_the_cpu_in_silence_fails_at_once_and_is_remembered_by_its_class():
    health = Bench(Proving(provider=CUDA), ON_CPU).ask()
    assert health.readiness is Readiness.FAILING
    fallen = Demotion("m", "cuda", image("cuda"), f"not ready: {health.detail}", NOON, "not_ready")
    (mark,) = marked(Ledger(demotions=(fallen,)), look_at(machine()), NOON).demotions
    assert (mark.code, mark.part, mark.until) == ("provider_not_active", "driver+engine", None)
