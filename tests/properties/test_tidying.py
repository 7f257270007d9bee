"""What holds of the choice of images to remove, whatever is remembered and whatever is there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.resolving import resolution_key
from edgetender.decide.tidying import images_of, is_short, rubbish
from edgetender.errors import DiskFull
from edgetender.model.ledger import Attempt, Condemnation, Ledger
from edgetender.model.observed import Observed
from edgetender.model.reading import read_manifest
from edgetender.model.target import ImageWanted, Target
from tests.builders.effort import examples
from tests.builders.ledgers import holding
from tests.builders.manifests import manifest, module, slot
from tests.builders.worlds import IMAGES, inhabitants, manifests, moments, target_of
from tests.fakes.clock import NOON

TAG = "registry.example/tagged:1"
many = examples(100)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Ledger, Observed, list[dict[str, Any]]]:
    """Up to three kept versions; some images ours, some here, some in use, some of versions that were condemned."""
    kept = [draw(manifests(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    there = draw(inhabitants(target_of(kept[0]).containers))
    pulled: dict[str, datetime] = draw(st.dictionaries(st.sampled_from(IMAGES), moments, max_size=6))
    bad = slot(manifest(9, bad=module()))
    owned = draw(st.lists(st.sampled_from(IMAGES), max_size=3))
    ledger = holding(
        kept[0],
        pulled=pulled,
        condemned={bad.sha256: Condemnation(9, "it crashed", NOON)},
        resolved={resolution_key(bad, f"registry.example/x:{n}"): name for n, name in enumerate(owned)},
    )
    here = draw(st.frozensets(st.sampled_from(IMAGES)))
    return ledger, Observed(tuple(container for container, _ in there), here), kept


@many
@given(worlds())
def test_what_runs_what_is_a_way_back_and_what_others_brought_is_never_removed(world: Any):
    ledger, observed, kept = world
    slots = [(slot(one), read_manifest(slot(one).body.encode())) for one in kept]
    needed = images_of(slots, ledger)
    assert needed == {one["image"] for document in kept for one in document["modules"].values()}
    found = rubbish(ledger, observed, needed)
    assert set(found) == (ledger.pulled.keys() & observed.images) - needed - {
        container.image for container in observed.containers
    }
    assert len(found) == len(set(found))


@many
@given(worlds())
def test_images_of_condemned_versions_go_before_all_others(world: Any):
    ledger, observed, _ = world
    found = rubbish(ledger, observed, ())
    bad = [name in ledger.resolved.values() for name in found]
    assert bad == sorted(bad, reverse=True)


@many
@given(st.none() | st.integers(0, 2**40), st.integers(0, 2**40), st.sampled_from([DiskFull.code, "x", ""]))
def test_room_is_wanted_by_a_pull_that_found_too_little_or_below_the_owner_s_mark(free, mark: int, code: str):
    attempts = {f"pull:{TAG}": Attempt(1, NOON, code, "why")} if code else {}
    target = Target(fetch=(ImageWanted("scorer", TAG),))
    wanted = is_short(Ledger(attempts=attempts), target, free, mark)
    assert wanted == (code == DiskFull.code or (free is not None and free < mark))
