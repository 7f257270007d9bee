"""The promises of `ports.Front`, kept by the proxy, by address translation and by the fake of the loop's tests."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.errors import AgentError, EngineRefused
from edgetender.model.observed import Status
from tests.fakes.front import FakeFront
from tests.services.front_bench import Bench, bench

__all__ = ["bench"]


def test_a_new_front_sends_to_the_container_it_was_made_for(bench: Bench) -> None:
    first = bench.member("first")
    bench.up(first)
    state = bench.serving(first)
    assert (state.mechanism, state.spec, state.running) == (bench.mechanism, bench.spec.digest, True)
    assert state.host_ports == bench.spec.host_ports
    assert [server.container for server in state.servers if server.receives] == [first.container]


def test_after_a_switch_only_the_new_one_gets_requests_and_the_old_one_is_still_known(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    bench.front.point(bench.spec, new)
    state = bench.serving(new)
    bench.answered_by(new)
    assert {server.container: server.receives for server in state.servers} == {
        old.container: False,
        new.container: True,
    }
    left = state.server(old.container)
    assert left is not None
    assert left.since_s >= 0


def test_switching_twice_is_as_good_as_once_and_back_is_a_switch_too(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    for target in (new, new, old, old):
        bench.front.point(bench.spec, target)
        bench.serving(target)
        bench.answered_by(target)


def test_a_front_set_up_again_is_left_as_it_is(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    bench.front.point(bench.spec, new)
    bench.front.ensure(bench.spec, old)
    bench.serving(new)


def test_a_container_that_is_forgotten_is_known_no_more(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    bench.front.point(bench.spec, new)
    until(lambda: bench.serving(new).server(old.container).connections == 0, "the drain")
    for _ in range(2):
        bench.front.forget(bench.module, old.container)
    assert [server.container for server in bench.serving(new).servers] == [new.container]


def test_a_front_that_was_restarted_serves_the_right_container_before_anybody_notices(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    bench.front.point(bench.spec, new)
    bench.restart(bench.module)
    bench.answered_by(new)
    bench.serving(new)


def test_an_agent_that_was_restarted_sees_the_same_and_goes_on_from_there(bench: Bench) -> None:
    old, new = bench.member("old"), bench.member("new")
    bench.up(old)
    bench.front.point(bench.spec, new)
    before = bench.serving(new)
    bench.front = bench.again()
    after = bench.serving(new)
    assert {s.container for s in after.servers} == {s.container for s in before.servers}
    bench.front.point(bench.spec, old)
    bench.answered_by(old)


def test_a_container_that_stopped_and_started_is_at_its_address_again(bench: Bench) -> None:
    first, second = bench.member("first"), bench.member("second")
    bench.up(first)
    for member in (first, second):
        bench.engine.stop(member.container, 2)
    for member in (second, first):
        bench.engine.start(member.container)
    addresses = {one.id: one.address for one in bench.engine.containers()}
    assert addresses == {first.container: first.address, second.container: second.address}
    bench.answered_by(first)


def test_other_ports_are_another_front(bench: Bench) -> None:
    first = bench.member("first")
    bench.up(first)
    freed, bench.port = bench.port, free_port()
    bench.up(first)
    assert bench.who(freed) is None
    state = bench.serving(first)
    assert (state.spec, state.host_ports) == (bench.spec.digest, bench.spec.host_ports)


def test_a_port_that_is_taken_is_refused_and_the_front_can_be_had_when_it_is_free(bench: Bench) -> None:
    first = bench.member("first")

    def refused() -> bool:
        try:
            bench.front.ensure(bench.spec, first)
        except EngineRefused as error:
            return bench.module in str(error)
        return False

    if isinstance(bench.front, FakeFront):
        with bench.occupy(bench.port):
            assert refused()
        return
    with bench.occupy(bench.port):
        until(refused, "the refusal")
    bench.front.ensure(bench.spec, first)
    bench.answered_by(first)


def test_a_port_that_another_devices_front_holds_is_taken_too(bench: Bench) -> None:
    theirs = bench.member("theirs", bench.neighbour_engine)
    held = replace(bench.spec, module=f"{bench.module}-theirs")
    bench.neighbour.ensure(held, theirs)
    until(lambda: [one.target for one in bench.neighbour.observe()] == [theirs], "their front")
    ours = bench.member("ours")

    def refused() -> bool:
        try:
            bench.front.ensure(bench.spec, ours)
        except EngineRefused:
            return True
        return False

    until(refused, "the refusal")
    assert [one.target for one in bench.neighbour.observe()] == [theirs]


def test_a_front_taken_down_leaves_its_port_free(bench: Bench) -> None:
    first = bench.member("first")
    bench.up(first)
    for _ in range(2):
        bench.front.lower(bench.module)
    assert bench.state() is None
    assert bench.who(bench.port) is None
    with bench.occupy(bench.port):
        pass


def test_another_devices_fronts_are_neither_seen_nor_touched(bench: Bench) -> None:
    theirs = bench.member("theirs")
    bench.up(theirs)
    assert all(one.module != bench.module for one in bench.neighbour.observe())
    with pytest.raises(EngineRefused, match="taken"):
        bench.neighbour.ensure(bench.spec, theirs)
    bench.neighbour.forget(bench.module, theirs.container)
    bench.neighbour.lower(bench.module)
    with pytest.raises(AgentError):
        bench.neighbour.point(bench.spec, theirs)
    bench.serving(theirs)
    bench.answered_by(theirs)


def test_a_front_is_no_container_of_a_module(bench: Bench) -> None:
    first = bench.member("first")
    bench.up(first)
    assert [one.id for one in bench.engine.containers() if one.module == bench.module] == [first.container]
    (container,) = bench.engine.containers()
    assert (container.status, container.publishes) == (Status.RUNNING, False)
