"""Back to an earlier version by hand, with the network down."""

from __future__ import annotations

from tests.builders.loops import Loop, running
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
    loop.store.deliver("rollback", "cli", b'{"to": 1}', loop.clock.now())
    loop.run(30)
    assert running(loop) == {"scorer": SCORER}
    assert loop.puller.submitted[asked_before:] == []
