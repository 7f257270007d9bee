"""Switches under load lose no request: with servers that drain, that close rudely, that are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading

import pytest

from demo.parts.load import Load
from demo.parts.waiting import until
from edgetender.engine.http_probe import http_probe
from edgetender.errors import FrontDown
from edgetender.model.front import NAT, PROXY, FrontPort, FrontSpec, Shadow, Shadowed
from tests.services.engine import Dockerd, left_behind
from tests.services.front_stand import BODY, Stand, serving, site, stand, state

__all__ = ["site", "stand"]

pytestmark = pytest.mark.engine

SWITCHES = 4


@pytest.mark.parametrize(
    ("stand", "end"),
    # address translation keeps connections where they began: it is for servers that drain
    [(PROXY, "graceful"), (PROXY, "rude"), (PROXY, "exits"), (PROXY, "killed"), (NAT, "graceful")],
    indirect=["stand"],
)
def test_switching_under_load_fails_no_request(stand: Stand, end: str) -> None:
    old = stand.member(0, end)
    stand.front.ensure(stand.spec, old)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "the front")
    with Load(port, body=BODY, per_s=300) as load:
        load.go_on(50)
        for number in range(1, SWITCHES + 1):
            new = stand.member(number, end)
            load.go_on(50)
            stand.switch(old, new, end)
            old = new
            load.go_on(50)
    assert not load.failures, str(load)
    assert load.asked > 100 * SWITCHES
    assert {f"number {number}" for number in range(SWITCHES + 1)} <= set(load.answers)


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_front_knows_how_long_the_answers_of_both_containers_took(stand: Stand) -> None:
    old, new = stand.member(1, "graceful", 5), stand.member(2, "graceful", 40)
    stand.front.ensure(stand.spec, old)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "the front")
    with Load(port, body=BODY, per_s=100) as load:
        load.go_on(150)
        slowest_ms = load.slowest_s * 1e3  # as its clients saw it: what the front saw of it is a part
        (alone,) = stand.front.observe()
        stand.front.point(stand.spec, new)
        load.go_on(150)
    assert [one.timed > 100 and one.p95_ms is not None for one in alone.servers] == [True]
    (state,) = stand.front.observe()
    before, after = state.server(old.container), state.server(new.container)
    assert before is not None
    assert after is not None
    assert before.timed > 100 < after.timed
    assert before.p95_ms is not None
    assert after.p95_ms is not None
    assert 5 <= before.p95_ms <= slowest_ms
    assert 40 <= after.p95_ms <= load.slowest_s * 1e3


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
@pytest.mark.parametrize("how", ["SIGSTOP", "docker pause"])
def test_a_front_that_hangs_is_known_by_its_silence_and_serves_again_when_it_was_ensured(
    stand: Stand, how: str
) -> None:
    first, second = stand.member(1, "graceful"), stand.member(2, "graceful")
    with serving(stand, first):
        stand.front.point(stand.spec, second)
    started = {one.id: one.started_at for one in stand.engine.containers()}
    front = stand.client.containers.get("edgetender-web-front")
    if how == "SIGSTOP":
        os.kill(front.attrs["State"]["Pid"], signal.SIGSTOP)
        until(lambda: state(stand).hangs, "the silence")
    else:
        front.pause()
        assert not state(stand).running
    stand.front.ensure(stand.spec, first)
    port = stand.spec.ports[0].host
    until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer")
    assert state(stand).target == second
    assert {one.id: one.started_at for one in stand.engine.containers()} == started


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_front_that_somebody_removes_is_made_anew_at_once(stand: Stand) -> None:
    live = stand.member(1, "graceful")
    with serving(stand, live):
        pass
    port = stand.spec.ports[0].host
    for _ in range(5):
        front = stand.client.containers.get("edgetender-web-front")
        hand = threading.Thread(target=front.remove, kwargs={"force": True})
        hand.start()
        until(lambda: not any(one.running for one in stand.front.observe()), "its end", every_s=0.002)
        stand.front.ensure(stand.spec, live)
        hand.join(60)
        until(lambda: http_probe("127.0.0.1", port, "/", 1) is None, "an answer")


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_container_that_is_killed_while_it_alone_receives_costs_no_request_when_another_takes_over(
    stand: Stand,
) -> None:
    first, second = stand.member(1, "graceful"), stand.member(2, "graceful")
    with serving(stand, first) as load:
        for _ in range(3):
            stand.front.point(stand.spec, second)
            load.go_on(30)
            stand.client.containers.get(second.container).kill()
            stand.front.point(stand.spec, first)
            load.go_on(100)
            stand.engine.start(second.container)
            until(lambda: http_probe(second.address, 5001, "/", 1) is None, "readiness")
    assert not load.failures, str(load)


LIVE = '{"scores": [0.25, 1e3], "label": "a 1"}'


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
@pytest.mark.parametrize(
    ("says", "why"),
    [
        (LIVE, ""),
        ('{"scores":[ 0.2500001, 1000.0],\n"label": "a 1"}', ""),
        ('{"scores": [0.26, 1e3], "label": "a 1"}', "another answer from its byte 13 on"),
        ('{"scores": [0.25, 1e3], "label": "a 2"}', "another answer from its byte 34 on"),
        ('{"scores": [0.25, 1e3]}', "another answer from its byte 23 on"),
    ],
    ids=["the same", "the same in other words", "another number", "another text", "less"],
)
def test_answers_to_copies_are_compared_as_json(stand: Stand, says: str, why: str) -> None:
    live, candidate = stand.member(1, "graceful", says=LIVE), stand.member(2, "graceful", says=says)
    with serving(stand, live) as load:
        stand.front.compare(stand.spec, candidate, Shadow(paths=("/",)))
        found = shown(stand, 20)
    assert not load.failures, str(load)
    assert (found.container, found.why) == (candidate.container, why)
    assert found.disagreed == (found.compared if why else 0)
    assert set(load.answers) == {LIVE}


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_nobody_waits_for_a_candidate_that_is_slow_and_its_copies_are_dropped(stand: Stand) -> None:
    live, slow = stand.member(1, "graceful"), stand.member(2, "graceful", work_ms=1500, says="number 1")
    with serving(stand, live) as load:
        stand.front.compare(stand.spec, slow, Shadow(paths=("/",)))
        found = shown(stand, 12)  # the first ones warm it up
    assert not load.failures, str(load)
    assert load.p99_s < 1.5
    assert found.dropped > 0 == found.disagreed
    assert found.live_p95_ms < 1500  # what of it a busy machine held up, HAProxy may leave out of both
    assert found.live_p95_ms < found.copy_p95_ms


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_candidate_that_is_killed_while_it_is_compared_harms_nobody_and_a_switch_ends_it(
    stand: Stand,
) -> None:
    live, killed = stand.member(1, "graceful"), stand.member(2, "graceful")
    with serving(stand, live) as load:
        stand.front.compare(stand.spec, killed, Shadow(paths=("/",)))
        stand.client.containers.get(killed.container).kill()
        until(lambda: shown(stand, 1).disagreed > 0, "its absence")
        stand.front.point(stand.spec, live)
        assert state(stand).shadowed is None
        stand.front.compare(stand.spec, killed, Shadow(paths=("/elsewhere",)))
        load.go_on(50)
        assert state(stand).shadowed is not None
        assert shown(stand, 0).compared == 0
        stand.front.forget("web", killed.container)
        assert state(stand).shadowed is None
    assert not load.failures, str(load)


def shown(stand: Stand, copies: int) -> Shadowed:
    """What so many copies showed."""
    until(lambda: (s := state(stand).shadowed) is not None and s.compared >= copies, "copies")
    found = state(stand).shadowed
    assert found is not None
    return found


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_port_that_only_root_may_open_is_held_too(stand: Stand) -> None:
    stand.spec = FrontSpec("web", PROXY, (FrontPort(_free_low_port(), 5001, http=True),))
    with serving(stand, stand.member(1, "graceful")) as load:
        load.go_on(20)
    front = stand.client.containers.get("edgetender-web-front").attrs["HostConfig"]
    assert front["CapDrop"] == ["ALL"]
    assert [right.removeprefix("CAP_") for right in front["CapAdd"]] == ["NET_BIND_SERVICE"]
    assert not load.failures, str(load)


def _free_low_port() -> int:
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("every port below 1024 is taken")


@pytest.mark.parametrize("stand", [PROXY], indirect=True)
def test_a_front_that_an_ended_engine_left_a_trace_of_is_made_anew(stand: Stand, own_engine: Dockerd) -> None:
    member = stand.member(1, "graceful")
    stand.front.ensure(stand.spec, member)
    container = stand.client.containers.get("edgetender-web-front")
    container.stop(timeout=1)
    left_behind(own_engine, str(container.id))
    with pytest.raises(FrontDown, match="made anew"):
        stand.front.ensure(stand.spec, member)
    stand.front.ensure(stand.spec, member)
    until(lambda: http_probe("127.0.0.1", stand.spec.ports[0].host, "/", 1) is None, "the front")
