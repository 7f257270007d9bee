"""Updates, roll-backs and a killed agent under load, on real parts: no request of any client fails."""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.narrator import Terminal
from demo.parts.dockerd import client
from demo.parts.load import Load
from demo.parts.waiting import until
from demo.steps import deploying, making
from demo.world import HOST_PORT, PASSWORD, USER, World, started
from tests.services.engine import REPOSITORY, why_no_engine

pytestmark = [
    pytest.mark.system,
    pytest.mark.engine,
    pytest.mark.broker,
    pytest.mark.registry,
    pytest.mark.timeout(600),
]

BODY = json.dumps({"data": [list(range(1, 11))]}).encode()
PER_S = 100
NEVER = {"http": {"port": 5001, "path": "/nowhere"}, "interval": 1, "timeout": 2, "deadline": 3}

_SCRIPT = """\
import os, threading, time
HOW = os.environ["BEHAVE"]
def init():
    if HOW == "exits":
        raise RuntimeError("no model here")
    if HOW == "hangs":
        time.sleep(600)
    if HOW == "hoards":
        global kept
        kept = b"x" * (600 << 20)
    if HOW == "dies":
        threading.Timer(1.0, os._exit, [7]).start()
def run(raw):
    if HOW == "errors":
        raise RuntimeError("cannot score")
    return [0.0]
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, front_archive: Path) -> Iterator[World]:
    if reason := why_no_engine():
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("load")
    for cache in ("base", "store", "front"):
        kept = REPOSITORY / ".demo" / cache
        kept.mkdir(parents=True, exist_ok=True)
        (home / cache).symlink_to(kept)
    with started(home, Terminal(), private_engine=True) as everything:
        making.train_and_package(everything)
        making.push_to_the_registry(everything)
        package_a_bad_one(everything)
        deploying.deploy(everything)
        assert everything.fronts("diabetes"), "without a front there is nothing to prove"
        yield everything


@pytest.fixture
def load() -> Iterator[Load]:
    with Load(HOST_PORT, "/score", kept=3, fresh=3, per_s=PER_S, body=BODY) as running:
        running.go_on(PER_S // 2)
        yield running


def package_a_bad_one(world: World) -> None:
    source = world.home / "bad"
    source.mkdir()
    (source / "score.py").write_text(_SCRIPT)
    done = making.package(
        world,
        world.facts["model_path"],
        "diabetes-bad",
        "--username",
        USER,
        push=True,
        password=PASSWORD,
        tag=f"{world.registry.host}/diabetes:bad",
        source=str(source),
    )
    assert done.code == 0, done.all


def behaving(world: World, how: str) -> dict[str, Any]:
    """The keys of a version that behaves badly."""
    deadline_s = 4 if how in ("exits", "hangs") else 60  # the others are to come up, on a busy machine, too
    health = {"http": {"port": 5001, "path": "/"}, "interval": 1, "timeout": 5, "deadline": deadline_s}
    return {"image": f"{world.registry.host}/diabetes:bad", "env": {"BEHAVE": how}, "health": health}


def push(world: World, update: dict[str, Any] | None = None, **module: Any) -> float:
    """The next version, with these keys of the serving module, and of the update, changed."""
    document = copy.deepcopy(world.facts["manifest"])
    document["update"] = {k: v for k, v in document["update"].items() if k != "shadow"} | (update or {})
    document["version"] = world.facts["version"] = world.facts.get("version", document["version"]) + 1
    document["modules"]["diabetes"] |= module
    world.facts["pushed"] = document
    return deploying.push(world, document)


def applied(world: World, since: float) -> None:
    deploying.wait_until_applied(world, world.facts["version"], since=since, within_s=120)
    world.facts["manifest"] = world.facts["pushed"]


def reported(world: World, code: int, since: float) -> Any:
    version = world.facts["version"]
    said = world.upstream.wait(
        "reported",
        f"version {version} with code {code}",
        lambda body: body["lastDesiredVersion"] == version and body["lastDesiredStatus"]["code"] == code,
        within_s=120,
        since=since,
    )
    return said.body


def unharmed(load: Load) -> None:
    load.go_on(PER_S // 2)
    assert not load.failures, str(load)


def serving(world: World) -> str:
    """The environment value of the container that new requests come to."""
    (container,) = world.containers("diabetes")
    return next(line for line in container["Config"]["Env"] if line.startswith("SITE="))


def test_updates_one_after_the_other_fail_no_request(world: World, load: Load) -> None:
    for number in range(1, 4):
        applied(world, push(world, env={"SITE": f"hall {number}"}))
        assert serving(world) == f"SITE=hall {number}"
    unharmed(load)


@pytest.mark.parametrize(
    "bad",
    [
        "exits",
        "hangs",
        {"health": NEVER, "env": {"SITE": "nowhere"}},
        {"health": NEVER},  # of the container that runs
    ],
    ids=["exits", "hangs", "never ready", "asks for what is not there"],
)
def test_a_bad_version_is_rolled_back_and_never_gets_a_request(
    world: World, load: Load, bad: dict[str, Any] | str
) -> None:
    (before,) = world.containers("diabetes")
    body = reported(world, 417, push(world, **(behaving(world, bad) if isinstance(bad, str) else bad)))
    assert "diabetes" in body["lastDesiredStatus"]["description"]
    until(lambda: len(world.containers("diabetes", all_states=True)) == 1, "the end of it")
    (after,) = world.containers("diabetes")
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
    unharmed(load)


@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.8, 1.2, 1.8, 2.6])
def test_an_agent_killed_in_the_middle_of_an_update_fails_no_request(
    world: World, load: Load, after_s: float
) -> None:
    push(world, env={"SITE": f"killed after {after_s:g} s"})
    until(lambda: len(world.containers("diabetes", all_states=True)) > 1, "the new container")
    threading.Event().wait(after_s)
    world.device.kill()
    load.go_on(PER_S // 2)
    began = time.monotonic()
    world.device.start()
    applied(world, began)
    assert serving(world) == f"SITE=killed after {after_s:g} s"
    unharmed(load)


def test_a_version_that_answers_with_errors_is_rolled_back_by_what_the_front_counts(world: World) -> None:
    """Its clients see errors for a moment: nobody else could."""
    with Load(HOST_PORT, "/score", kept=3, fresh=3, per_s=PER_S, body=BODY) as load:
        load.go_on(PER_S // 2)
        began = push(world, **behaving(world, "errors"))
        body = reported(world, 417, began)
        load.go_on(PER_S // 2)  # what was on its way
        failed = len(load.failures)
        load.go_on(PER_S)
    assert "requests failed" in body["lastDesiredStatus"]["description"]
    assert 0 < failed == len(load.failures)
    assert set(load.failures) == {"500"}


def test_a_version_that_dies_again_and_again_while_it_settles_gives_its_requests_back(world: World) -> None:
    with Load(HOST_PORT, "/score", kept=3, fresh=3, per_s=PER_S, body=BODY) as load:
        load.go_on(PER_S // 2)
        began = push(world, **behaving(world, "dies"))
        body = reported(world, 417, began)
        load.go_on(PER_S * 3)  # what waited for its return, too
    assert "exited with code 7" in body["lastDesiredStatus"]["description"]
    assert not load.failures, str(load)


def test_a_restarted_agent_disturbs_nobody(world: World, load: Load) -> None:
    (before,) = world.containers("diabetes")
    (front,) = world.fronts("diabetes")
    world.device.stop()
    load.go_on(PER_S)
    world.device.start()
    until(lambda: all_ready(world), "adoption")
    (after,), (front_after,) = world.containers("diabetes"), world.fronts("diabetes")
    assert (after["State"]["StartedAt"], front_after["Id"]) == (before["State"]["StartedAt"], front["Id"])
    unharmed(load)


def all_ready(world: World) -> bool:
    modules = world.device.status().get("modules", [])
    rows = modules.values() if isinstance(modules, dict) else modules
    return bool(rows) and all(row["ready"] for row in rows)


def test_a_killed_front_is_back_by_itself_and_serves_the_right_container(world: World) -> None:
    (front,) = world.fronts("diabetes")
    (serves,) = world.containers("diabetes")
    world.device.stop()  # nobody else is there to put it right
    try:
        with client(world.engine) as engine:
            pid = engine.containers.get(front["Id"]).attrs["State"]["Pid"]
        os.kill(pid, signal.SIGKILL)
        deploying.wait_until_serving(world, within_s=60)
        assert world.containers("diabetes")[0]["Id"] == serves["Id"]
    finally:
        world.device.start()


def test_a_container_and_its_front_that_are_killed_together_are_back_by_themselves(world: World) -> None:
    both = [one["Id"] for one in (*world.containers("diabetes"), *world.fronts("diabetes"))]
    with client(world.engine) as engine:
        for one in both:
            engine.containers.get(one).kill()
    deploying.wait_until_serving(world, within_s=60)
    until(lambda: all_ready(world), "readiness")
    assert both == [one["Id"] for one in (*world.containers("diabetes"), *world.fronts("diabetes"))]


def test_a_version_takes_over_after_it_answered_copies_of_requests_as_the_one_before(
    world: World, load: Load
) -> None:
    began = push(world, update={"shadow": {"requests": 50}}, env={"SITE": "compared"})
    body = reported(world, 200, began)
    said = body["lastDesiredStatus"]["description"]
    assert re.search(r"diabetes: 0 of 5\d copies answered otherwise, 95 % within [\d.]+ ms", said), said
    world.facts["manifest"] = world.facts["pushed"]
    assert serving(world) == "SITE=compared"
    unharmed(load)


def test_a_version_that_answers_copies_otherwise_never_gets_a_request(world: World, load: Load) -> None:
    began = push(world, update={"shadow": {"requests": 50}}, **behaving(world, "errors"))
    body = reported(world, 417, began)
    assert "answered otherwise (status 500, not 200)" in body["lastDesiredStatus"]["description"]
    unharmed(load)


def test_a_front_that_hangs_is_replaced_without_touching_the_container_behind_it(world: World) -> None:
    (front,), (before,) = world.fronts("diabetes"), world.containers("diabetes")
    with client(world.engine) as engine:
        os.kill(engine.containers.get(front["Id"]).attrs["State"]["Pid"], signal.SIGSTOP)
    deploying.wait_until_serving(world, within_s=60)
    (after,) = world.containers("diabetes")
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    until(lambda: all_ready(world), "readiness")


@pytest.mark.parametrize("after_s", [0.0, 0.6, 1.5])
def test_an_engine_killed_while_a_switch_is_open_is_found_again_and_the_switch_ends(
    world: World, after_s: float
) -> None:
    began = push(world, env={"SITE": f"engine killed after {after_s:g} s"})
    until(lambda: len(world.containers("diabetes", all_states=True)) > 1, "the new container")
    threading.Event().wait(after_s)
    assert world.own_engine is not None
    world.own_engine.kill()
    world.own_engine.start()
    applied(world, began)
    deploying.wait_until_serving(world, within_s=60)
    until(lambda: len(world.containers("diabetes", all_states=True)) == 1, "the end of it")
    assert serving(world) == f"SITE=engine killed after {after_s:g} s"
