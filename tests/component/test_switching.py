"""An update behind a front: requests always have somewhere to go, whatever fails and whenever the power does."""

from __future__ import annotations

import pytest

from edgetender.errors import CredentialUnusable, EngineRefused
from edgetender.model.front import PROXY
from edgetender.model.observed import Status
from tests.builders.manifests import manifest
from tests.builders.switches import NEVER_READY, ONE, TWO, Service, version
from tests.fakes.power import Power


def test_a_module_probed_over_http_gets_a_front_and_its_container_publishes_nothing():
    service = Service()
    service.live(version(1, ONE))
    assert service.target == ONE
    assert service.loop.world.fronts["scorer"].spec.mechanism == PROXY
    assert [c.publishes for c in service.loop.engine.containers()] == [False]
    assert service.accepted == 1


def test_an_update_switches_when_the_new_one_is_ready_and_the_old_one_goes_when_it_is_accepted():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO), seconds=1.0)
    assert service.target == TWO
    assert service.containers == [(ONE, Status.RUNNING), (TWO, Status.RUNNING)], "the way back stays"
    service.run(6)
    assert service.containers == [(TWO, Status.RUNNING)]
    assert [m.container for m in service.loop.world.fronts["scorer"].draining] == []
    assert (service.accepted, service.refused) == (2, [])


def test_what_the_old_one_has_begun_it_may_end_until_its_grace_is_over():
    service = Service()
    service.live(version(1, ONE))
    service.loop.front.connections[service.container(ONE)] = 3
    service.live(version(2, TWO))
    assert service.accepted == 2
    assert (ONE, Status.RUNNING) in service.containers
    service.loop.front.connections.clear()
    service.run(2)
    assert service.containers == [(TWO, Status.RUNNING)]
    assert service.refused == []


def test_a_version_that_never_gets_ready_never_gets_a_request():
    service = Service()
    service.live(version(1, ONE), version(2, NEVER_READY))
    assert service.loop.front.effects.count(("point", "scorer")) == 0
    assert (service.target, service.accepted, service.refused) == (ONE, 1, [])
    assert service.containers == [(ONE, Status.RUNNING)]
    assert service.loop.last.ledger.desired.code == 417


def test_a_version_that_only_asks_for_another_path_is_judged_by_it_and_touches_no_container():
    service = Service()
    service.live(version(1, ONE))
    before = service.container(ONE)
    asks_in_vain = version(2, NEVER_READY)["modules"]["scorer"] | {"image": ONE}
    service.live({**manifest(2, scorer=asks_in_vain), "update": {"settle": 2}})
    assert (service.accepted, service.container(ONE), service.refused) == (1, before, [])
    assert ("stop", before) not in service.loop.engine.effects
    assert service.loop.last.observed.containers[0].ready


def test_without_a_time_to_settle_a_version_is_still_judged_by_its_own_question():
    service = Service()
    service.live(version(1, ONE))
    asks_in_vain = version(2, NEVER_READY)["modules"]["scorer"] | {"image": ONE}
    service.live({**manifest(2, scorer=asks_in_vain), "update": {"settle": 0}})
    assert (service.accepted, service.refused) == (1, [])


def test_a_version_that_dies_while_settling_gives_the_requests_back_at_once():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO), seconds=1.0)
    assert service.target == TWO
    service.loop.engine.crash(service.container(TWO))
    service.loop.cycle()
    assert service.target == ONE
    service.serves = False  # the crash itself was nobody's doing


@pytest.mark.parametrize("open_switch", [False, True], ids=["with one version", "while a switch is open"])
def test_a_front_that_hangs_is_started_anew_and_no_container_is_touched(open_switch: bool):
    service = Service()
    service.live(version(1, ONE))
    if open_switch:
        service.live(version(2, TWO), seconds=1.0)
    before = service.containers
    front = service.loop.world.fronts["scorer"]
    front.answers, front.hangs = False, True
    service.loop.cycle()
    assert (front.answers, front.hangs) == (True, False)
    assert service.containers == before
    service.run(8)
    assert (service.accepted, service.refused) == (2 if open_switch else 1, [])


def test_a_front_that_ended_together_with_its_container_is_back_before_it():
    service = Service()
    service.live(version(1, ONE))
    service.run(20)
    for _ in range(2):  # the second end waits for its back-off, the front does not
        front = service.loop.world.fronts["scorer"]
        service.loop.engine.crash(service.container(ONE))
        front.running = front.answers = False
        effects = len(service.loop.front.effects)
        service.loop.cycle()
        assert service.loop.front.effects[effects:] == [("ensure", "scorer")]
        assert (front.running, service.target) == (True, ONE)
        service.serves = False  # the crash itself was nobody's doing
        service.run(8)
        assert service.containers == [(ONE, Status.RUNNING)]


def test_a_front_that_ends_while_a_successor_still_loads_is_back_at_once_and_serves_as_before():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, NEVER_READY), seconds=0.5)
    assert (NEVER_READY, Status.RUNNING) in service.containers
    front = service.loop.world.fronts["scorer"]
    front.running = front.answers = False
    service.loop.cycle()
    assert (front.running, service.target) == (True, ONE)
    service.run(8)
    assert (service.accepted, service.refused) == (1, [])


def test_a_version_superseded_while_it_settles_leaves_two_running_at_most():
    service = Service()
    service.live(version(1, ONE))
    service.live(version(2, TWO), seconds=1.0)
    service.live(version(3, ONE, env={"X": "3"}))
    assert (service.accepted, service.refused) == (3, [])
    assert len(service.containers) == 1


def test_other_host_ports_move_the_front_and_touch_no_container():
    service = Service()
    service.live(version(1, ONE))
    before = service.container(ONE)
    service.live(version(2, ONE, ports=["9001:5001"]))
    assert service.container(ONE) == before
    assert [port.host for port in service.loop.world.fronts["scorer"].spec.ports] == [9001]
    assert ("stop", before) not in service.loop.engine.effects
    assert service.accepted == 2


def test_to_a_front_and_back_to_none_the_host_port_changes_hands():
    service = Service()
    service.live(version(1, ONE, front="none"))
    assert service.loop.world.fronts == {}
    service.live(version(2, ONE))
    assert service.target == ONE
    assert service.accepted == 2
    service.live(version(3, ONE, front="none"))
    assert service.loop.world.fronts == {}
    assert [(c.publishes, c.status) for c in service.loop.engine.containers()] == [(True, Status.RUNNING)]
    assert service.accepted == 3


def test_a_module_that_is_gone_takes_its_front_along():
    service = Service()
    service.live(version(1, ONE))
    service.serves = False
    service.live({**manifest(2), "modules": {}, "allow_empty": True, "update": {"settle": 2}})
    assert (service.loop.world.fronts, service.containers) == ({}, [])


def test_with_strategy_recreate_the_old_one_stops_first_and_no_front_is_made():
    service = Service()
    for number, scorer in ((1, ONE), (2, TWO)):
        service.live({**version(number, scorer), "update": {"settle": 2, "strategy": "recreate"}})
    assert service.loop.front.effects == []
    assert service.containers == [(TWO, Status.RUNNING)]


def test_a_front_that_somebody_removed_is_set_up_again_and_one_that_was_pointed_elsewhere_is_put_right():
    service = Service()
    service.live(version(1, ONE))
    del service.loop.world.fronts["scorer"]
    service.run(2)
    assert service.target == ONE
    front = service.loop.world.fronts["scorer"]
    front.receiving = []
    service.run(2)
    assert [m.container for m in front.receiving] == [service.container(ONE)]


def test_while_the_front_does_not_answer_nobody_is_stopped_for_it():
    service = Service()
    service.live(version(1, ONE))
    service.loop.world.fronts["scorer"].answers = False
    service.live(version(2, TWO), seconds=4)
    assert service.containers == [(ONE, Status.RUNNING), (TWO, Status.RUNNING)]
    service.loop.world.fronts["scorer"].answers = True
    service.run(6)
    assert service.containers == [(TWO, Status.RUNNING)]
    assert (service.accepted, service.refused) == (2, [])


def test_a_port_that_is_taken_rolls_back_and_says_why():
    service = Service()
    service.live(version(1, ONE, front="none"))
    taken = EngineRefused("cannot set up the front of scorer: port is already allocated")
    service.loop.front.failures += [taken] * 3
    service.live(version(2, TWO), seconds=30)
    assert service.accepted == 1
    assert "port is already allocated" in service.loop.last.ledger.desired.description
    assert service.containers == [(ONE, Status.RUNNING)]
    assert service.loop.world.fronts == {}


TLS = {"ports": [{"host": 9000, "container": 5001, "tls": {"certificate": "scoring"}}]}
WRONG_KEY = CredentialUnusable(
    "cannot show the certificate of the credential 'scoring': its key is not that …"
)


def test_a_renewed_certificate_is_shown_and_no_container_is_touched():
    service = Service()
    service.live(version(1, ONE, **TLS))
    touched = list(service.loop.engine.effects)
    service.loop.front.stale.add("scorer")
    service.loop.cycle()
    assert service.loop.front.effects[-1] == ("ensure", "scorer")
    assert (service.loop.front.stale, service.loop.engine.effects) == (set(), touched)
    service.run(5)
    assert service.loop.front.effects.count(("ensure", "scorer")) == 2


def test_a_certificate_that_cannot_be_shown_says_why_and_holds_up_nothing_else():
    service = Service()
    service.live(version(1, ONE, **TLS), version(2, TWO, **TLS), seconds=1.0)
    service.loop.front.stale.add("scorer")
    service.loop.front.failures += [WRONG_KEY]
    service.loop.cycle()
    service.loop.cycle()
    assert ("scorer", str(WRONG_KEY)) in service.loop.last.plan.held
    service.run(8)
    assert service.loop.front.stale == set()
    assert (service.accepted, service.target, service.refused) == (2, TWO, [])


def test_a_version_whose_certificate_cannot_be_shown_is_rolled_back_and_its_port_was_never_plain():
    service = Service()
    service.live(version(1, ONE))
    service.loop.front.failures += [WRONG_KEY] * 3
    service.live(version(2, TWO, **TLS), seconds=30)
    assert (service.accepted, service.target, service.refused) == (1, ONE, [])
    assert str(WRONG_KEY) in service.loop.last.ledger.desired.description


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_power_at_any_effect_costs_no_request_and_ends_the_same(after: bool):
    documents = [version(1, ONE), version(2, TWO), version(3, NEVER_READY), version(4, ONE, env={"X": "4"})]
    calm = Service()
    calm.live(*documents)
    assert (calm.accepted, calm.refused) == (4, [])
    for number in range(1, calm.power.effects + 1):
        service = Service(Power(number, after=after))
        service.live(*documents)
        assert service.power.cut_at is None
        assert service.refused == [], f"cut {'after' if after else 'before'} effect {number}"
        assert (service.accepted, service.target, service.containers) == (4, ONE, calm.containers)
        assert service.loop.world.fronts["scorer"].draining == []


def test_what_a_front_failed_at_with_one_version_is_not_held_against_the_next():
    service = Service()
    service.live(version(1, ONE))
    service.loop.front.failures += [EngineRefused("cannot switch: HAProxy said no")] * 3
    service.live(version(2, TWO), seconds=20.0)
    assert (service.accepted, service.loop.last.ledger.desired.code) == (1, 417)
    service.live(version(3, TWO), seconds=20.0)
    assert (service.target, service.accepted, service.refused) == (TWO, 3, [])
