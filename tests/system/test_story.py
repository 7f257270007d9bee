"""The demo's story, asserted: eight steps on real parts, in order; one that fails takes the later ones along."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.narrator import Terminal
from demo.story import STEPS, Step
from demo.upstream_iothub import SDK
from demo.world import World, started
from tests.services.engine import REPOSITORY, why_no_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.engine, pytest.mark.broker, pytest.mark.registry]


@pytest.fixture(scope="module", params=["mqtt", "iothub"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := why_no_engine():
        pytest.skip(reason)
    iothub = request.param == "iothub"
    if iothub and not SDK.is_dir():
        pytest.skip("the SDK is not in .venv/azure; ./run test puts it there")
    home = tmp_path_factory.mktemp("story")
    # what takes long and is the same every time: the base image, the packaging's layers
    for cache in ("base", "store", "front"):
        kept = REPOSITORY / ".demo" / cache
        kept.mkdir(parents=True, exist_ok=True)
        (home / cache).symlink_to(kept)
    with started(home, Terminal(), private_engine=True, iothub=iothub) as everything:
        yield everything


@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.number}-{step.act.__name__}")
def test_the_story_is_true(world: World, step: Step) -> None:
    if failed := world.facts.get("failed"):
        pytest.fail(f"not told: step {failed} failed", pytrace=False)
    try:
        step.act(world)
    except BaseException:
        world.facts["failed"] = step.number
        raise


def test_the_demo_keeps_its_files_in_one_place() -> None:
    ignored = Path(REPOSITORY, ".gitignore").read_text().splitlines()
    assert {"/.demo/", "/.venv/"} <= set(ignored)
