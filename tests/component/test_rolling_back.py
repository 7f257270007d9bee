"""Back to an earlier version: by hand with the network down, and to one that is no good any more either."""

from __future__ import annotations

from itertools import pairwise

from edgetender.decide.reporting import ModuleState, module_reports
from edgetender.errors import EngineRefused, ImageMissing
from edgetender.model.observed import Status
from edgetender.model.topics import DesiredCode
from tests.builders.loops import Loop, deployed, running
from tests.builders.manifests import SCORER, image, manifest, module

NEXT = image("scorer", "b")


def test_a_rollback_needs_no_registry_also_where_the_manifest_named_tags():
    loop = Loop()
    loop.puller.registry |= {SCORER, NEXT}
    loop.puller.tags |= {"registry.example/scorer:1": SCORER, "registry.example/scorer:2": NEXT}
    for version in (1, 2):
        loop.push(manifest(version, scorer=module(image=f"registry.example/scorer:{version}")))
        loop.run(30)
    assert running(loop) == {"scorer": NEXT}
    loop.puller.registry.clear()
    asked_before = len(loop.puller.submitted)
    loop.store.deliver("rollback", "cli (uid 7)", b'{"to": 1}', loop.clock.now())
    loop.run(30)
    told = [(one.version, one.result, one.by) for one in loop.store.history()]
    assert told == [(2, "superseded", "cli (uid 7)"), (1, "running", "uid 7")]
    assert running(loop) == {"scorer": SCORER}
    assert loop.puller.submitted[asked_before:] == []


def test_where_the_version_we_come_back_to_fails_as_well_it_is_tried_ever_less_often_and_never_the_bad_one():
    loop = deployed()
    loop.puller.registry.add(NEXT)
    loop.push(manifest(2, scorer=module(image=NEXT)))
    starts: list[float] = []
    began = loop.clock.monotonic()
    while loop.clock.monotonic() - began < 3 * 3600:
        loop.clock.advance(max(0.05, min(loop.cycle(), 5.0)))
        for container in loop.engine.containers():
            if container.status is Status.RUNNING:
                loop.engine.crash(container.id, 3)
                starts += [loop.clock.monotonic()] if container.image == SCORER else []
    assert loop.last.ledger.desired.code == DesiredCode.ROLLED_BACK
    assert loop.last.ledger.condemned
    (told,) = module_reports(loop.last.target, loop.last.observed, loop.last.ledger, loop.last.plan)
    assert (told.state, told.ready) == (ModuleState.BACKOFF, False)
    late = [after - before for before, after in pairwise(starts) if before - began > 3600]
    assert len(late) >= 20
    assert min(late) >= 225  # five minutes, less the jitter
    assert max(late) <= 310


def test_where_the_image_we_come_back_to_is_gone_too_it_is_asked_for_again_and_serves_once_it_is_there():
    loop = deployed()
    (old,) = loop.engine.containers()
    loop.engine.remove(old.id)
    loop.world.images.discard(SCORER)
    loop.puller.registry.discard(SCORER)
    loop.puller.errors[SCORER] = ImageMissing("cannot pull: it is gone")
    loop.push(manifest(2, scorer=module(image=NEXT)))
    loop.puller.registry.add(NEXT)
    loop.engine.fail_on("start", EngineRefused("cannot start: bad mount"), times=3)
    loop.run(1800)
    assert running(loop) == {}
    assert loop.last.ledger.desired.code == DesiredCode.ROLLED_BACK
    asked = len(loop.puller.submitted)
    loop.run(1800)
    assert 5 <= len(loop.puller.submitted) - asked <= 9
    loop.puller.errors.clear()
    loop.puller.registry.add(SCORER)
    loop.run(330)
    assert running(loop) == {"scorer": SCORER}
