"""Does the daemon answer its doors from what the store holds, also where a registry or the engine does not answer?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edgetender.config.settings import Settings
from edgetender.decide.intake import entry_of
from edgetender.errors import EngineDown, NotFound
from edgetender.house import DaemonHouse
from edgetender.model.image import Surveyed
from edgetender.model.observed import Observed
from tests.builders.ledgers import holding
from tests.builders.loops import AMD64
from tests.builders.manifests import SCORER, body, image, manifest, module, slot
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

ONE, TWO = manifest(1), manifest(2, scorer=module(image=image("scorer", "2")))


class DeadEngine:
    def free_bytes(self) -> int:
        raise EngineDown("cannot ask where images are kept: it is away")


@pytest.fixture
def house() -> DaemonHouse:
    store: Any = FakeStore()
    store.commit(holding(TWO), history=[entry_of(slot(ONE), "superseded"), entry_of(slot(TWO), "running")])
    nothing: Any = None
    snapshot = SimpleNamespace(observed=Observed(images=frozenset({SCORER})))
    publisher: Any = SimpleNamespace(snapshot=lambda: snapshot)
    engine: Any = DeadEngine()
    return DaemonHouse(
        settings=Settings(), clock=FakeClock(), store=store, deliver=nothing, survey=lambda _asked: Surveyed(), engine=engine,
        publisher=publisher, hardware=lambda: AMD64, exposition=nothing, trends=nothing, log=nothing, wake=nothing, checker=nothing, events=nothing,
    )  # fmt: skip


def test_a_plan_back_is_of_the_version_named_or_of_the_one_before(house):
    named, before = house.plan_back(1), house.plan_back(None)
    assert named == before
    assert (named["version"], named["runningVersion"], named["notes"]) == (1, 2, [])


def test_a_version_that_is_not_kept_is_none_to_go_back_to(house):
    with pytest.raises(NotFound, match="cannot roll back to version 7: not kept here; edgetender history"):
        house.plan_back(7)


def test_a_plan_is_told_while_the_engine_is_away(house):
    told = house.plan(body(manifest(3, scorer=module(image=image("scorer", "3")))))
    assert (told["version"], told["pulls"][0]["bytes"], told["disk"]) == (3, None, None)


def test_while_the_engine_is_away_no_module_is_said_to_be_none(house):
    away = SimpleNamespace(observed=Observed(engine_down="cannot reach the engine: it is away"))
    house._publisher = SimpleNamespace(snapshot=lambda: away)
    with pytest.raises(EngineDown, match="cannot show logs of 'scorer': cannot reach the engine: it is away"):
        house.logs("scorer", tail=None, since=None, follow=False)


def test_a_module_that_waits_for_its_image_is_one_and_has_no_log_yet(house):
    snapshot, waiting = SimpleNamespace(observed=Observed()), {"modules": [{"name": "scorer"}]}
    house._publisher = SimpleNamespace(snapshot=lambda: snapshot, status=lambda: waiting)
    with pytest.raises(
        NotFound, match="cannot show logs of 'scorer': it has no container yet; edgetender status"
    ):
        house.logs("scorer", tail=None, since=None, follow=False)
    with pytest.raises(
        NotFound, match=r"cannot show logs of 'eyes': no such module here \(there are: scorer\)"
    ):
        house.logs("eyes", tail=None, since=None, follow=False)
