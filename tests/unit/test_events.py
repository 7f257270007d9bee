"""What is an event, and what does it say?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgetender.decide.events import events_between, refusals
from edgetender.decide.reporting import ModuleReport, ModuleState
from edgetender.model.ledger import Death, Desired, Ledger
from tests.builders.ledgers import holding
from tests.builders.manifests import manifest
from tests.fakes.clock import NOON

ONE = manifest(1)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def told(before, after_, old=None, new=None) -> list[str]:
    return [kind for kind, _ in events_between(before, after_, old or Ledger(), new or Ledger())]


def test_what_became_of_a_signed_version_names_its_epoch():
    def said(epoch: int) -> dict[str, object]:
        new = replace(holding(ONE), desired=Desired(1, 200, "running", NOON, epoch=epoch))
        ((_, found),) = events_between((), (), Ledger(), new)
        return found

    assert said(2)["epoch"] == 2
    assert "epoch" not in said(0)


def test_a_change_of_state_or_version_is_an_event_and_nothing_else_is():
    was = ModuleReport("a", ModuleState.STARTING, version=1)
    assert told((was,), (replace(was, why="other words"),)) == []
    assert told((was,), (replace(was, state=ModuleState.RUNNING),)) == ["module.state"]
    assert told((was,), (replace(was, version=2),)) == ["module.state"]


def test_restarts_ends_and_removals_are_events():
    was = ModuleReport("a", ModuleState.RUNNING)
    died = replace(was, restarts=1, death=Death(NOON, 3, "exited with code 3", ("last words",)))
    assert told((was,), (died,)) == ["module.ended", "module.restarted"]
    assert told((died,), (died,)) == []
    assert told((was,), ()) == ["module.removed"]


def test_what_a_version_on_trial_dies_of_belongs_to_it_while_another_speaks_for_the_module():
    trial = holding(ONE, manifest(2))
    trial = replace(trial, candidate=replace(trial.candidate, trace=PARENT))
    serving = ModuleReport("a", ModuleState.RUNNING, version=1)
    died = replace(serving, restarts=1, death=Death(NOON, 3, "exited with code 3", version=2))
    events = events_between((serving,), (died,), trial, trial)
    assert [(said["version"], said["traceparent"]) for _, said in events] == [(2, PARENT), (2, PARENT)]


def test_a_condemned_version_that_comes_again_is_refused_and_nothing_was_taken_back():
    new = Ledger(desired=Desired(2, 417, "words", NOON, (("version", "manifest.condemned", "words"),)))
    assert told((), (), Ledger(), new) == ["deployment.refused"]
    assert refusals(Ledger(), new) == ("manifest.condemned",)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(200, "applied"), (406, "applying"), (417, "rolled_back"), (400, "refused"), (409, "refused")],
)
def test_what_became_of_a_manifest_is_an_event(code, kind):
    new = Ledger(desired=Desired(2, code, "words", NOON))
    assert told((), (), Ledger(), new) == [f"deployment.{kind}"]
    assert told((), (), new, new) == []
