"""Steps 7 and 8: everything that can die is killed, and the device finds back by itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from demo import manifests
from demo.narrator import StoryFailed, expect
from demo.parts.dockerd import client
from demo.parts.waiting import TimedOut, until
from demo.steps.changing import running
from demo.steps.deploying import push, wait_until_applied, wait_until_serving
from demo.steps.making import package
from demo.world import EXAMPLE, PASSWORD, USER

if TYPE_CHECKING:
    from demo.world import World

CONVERGE_S = 60
_BALLAST_BYTES = 8 * 1024 * 1024
_SLOW_BYTES_PER_S = 1024 * 1024


def break_things(world: World) -> None:
    """7. The container, the engine, the broker and the daemon are killed, one after the other."""
    _kill_the_container(world)
    _restart_the_engine(world)
    _restart_what_is_between(world)
    _kill_the_daemon_in_a_pull(world)


def stop_and_adopt(world: World) -> None:
    """8. Stopped, the daemon leaves the containers serving; started without a broker, it adopts them."""
    before = running(world)
    took = world.device.stop()
    world.upstream.wait("status", "offline", lambda body: body["state"] == "offline", within_s=30)
    expect(running(world) == before, "stopping the daemon touched a container")
    expect(world.serves(), "the module stopped serving when the daemon was stopped")
    world.say.check("the daemon is stopped (SIGTERM): the containers keep serving", f"ended in {took:.1f} s")
    world.upstream.go_away()
    world.device.start()
    try:
        until(lambda: _all_ready(world), "every module adopted", within_s=CONVERGE_S, every_s=0.2)
    except TimedOut:
        raise StoryFailed(f"not every module was adopted:\n{world.device.cli('status').all}") from None
    expect(running(world) == before, "the daemon restarted a container that ran already")
    world.say.check(
        f"started again with the {world.upstream.name} down: it adopts what runs, nothing restarts"
    )
    began = time.monotonic()
    world.upstream.come_back()
    world.upstream.wait(
        "status", "online again", lambda body: body["state"] == "online", within_s=CONVERGE_S, since=began
    )
    world.say.check(f"the {world.upstream.name} is back: online again", f"{time.monotonic() - began:.1f} s")


def _kill_the_container(world: World) -> None:
    (container,) = world.containers("diabetes")
    began = time.monotonic()
    with client(world.engine) as engine:
        engine.containers.get(container["Id"]).kill()
    took = wait_until_serving(world, within_s=30)
    counted = world.upstream.wait(
        "event/module.restarted",  # a twin hears of restarts when there is more to say, at most a minute later
        "the restart counted",
        lambda body: body["module"] == "diabetes" and body["restarts"] >= 1,
        within_s=30,
        since=began,
    )
    restarts = counted.body["restarts"]
    world.say.check(
        "the container is killed by hand", f"back in {took:.1f} s (promised: 5 s), restarts: {restarts}"
    )
    _expect_one_each(world)


def _restart_the_engine(world: World) -> None:
    if world.own_engine is None:
        world.say.note("the engine's restart is left out: this engine is not ours to restart")
        return
    world.own_engine.stop()
    world.own_engine.start()
    took = wait_until_serving(world, within_s=CONVERGE_S)
    _wait_until_all_ready(world)
    _expect_one_each(world)
    world.say.check("dockerd is restarted under it", f"serving again {took:.1f} s after the engine was back")


def _restart_what_is_between(world: World) -> None:
    before = running(world)
    world.upstream.go_away()
    expect(world.serves(), f"the module stopped serving because the {world.upstream.name} was away")
    began = time.monotonic()
    world.upstream.come_back()
    world.upstream.wait(
        "status", "online", lambda body: body["state"] == "online", within_s=CONVERGE_S, since=began
    )
    expect(running(world) == before, f"the {world.upstream.name}'s restart touched a container")
    world.say.check(
        f"the {world.upstream.name} is restarted", f"linked again after {time.monotonic() - began:.1f} s"
    )


def _kill_the_daemon_in_a_pull(world: World) -> None:
    slow_host = manifests.hosts(world)[1]
    _push_a_large_image(world)
    document = manifests.changed(
        world.facts["manifest"], 5, diabetes={"image": f"{slow_host}/diabetes:2", "env": {"SITE": "hall 5"}}
    )
    before = running(world)
    world.slow.bytes_per_s = _SLOW_BYTES_PER_S
    pulled_before = world.slow.bytes_down
    began = push(world, document)
    try:
        until(
            lambda: world.slow.bytes_down - pulled_before > _BALLAST_BYTES // 8,
            "the pull through the slow line",
            within_s=60,
        )
    except TimedOut as late:
        raise StoryFailed(f"{late}; status:\n{world.device.cli('status').all}") from None
    killed_at = time.monotonic()
    world.device.kill()
    world.upstream.wait(
        "status",
        "offline, though it said no goodbye",
        lambda body: body["state"] == "offline",
        within_s=40,
        since=killed_at,
    )
    expect(world.serves(), "the module stopped serving when the daemon was killed")
    expect(running(world) == before, "killing the daemon touched a container")
    world.say.check(
        "the daemon is killed (SIGKILL) in the middle of a pull: serving goes on, upstream knows it is offline"
    )
    world.slow.bytes_per_s = None
    restarted_at = time.monotonic()
    world.device.start()
    wait_until_applied(world, 5, since=restarted_at, within_s=CONVERGE_S)
    took = time.monotonic() - restarted_at
    world.facts["manifest"] = document
    after = running(world)
    expect(after["diabetes"] != before["diabetes"], "version 5 was acknowledged, and lost")
    expect(after["neighbour"] == before["neighbour"], "the neighbour was touched")
    _expect_one_each(world)
    world.say.check(
        "started again, as systemd would: the acknowledged version 5 is there, one container per module",
        f"{took:.1f} s; {time.monotonic() - began:.0f} s after its push",
    )


def _push_a_large_image(world: World) -> None:
    """The same model with ballast beside it: a layer that cannot be compressed and is not there yet."""
    source = world.home / "ballast"
    source.mkdir(exist_ok=True)
    (source / "score.py").write_bytes((EXAMPLE / "score.py").read_bytes())
    (source / "ballast.bin").write_bytes(os.urandom(_BALLAST_BYTES))
    done = package(
        world,
        world.facts["model_path"],
        "diabetes-large",
        "--username",
        USER,
        push=True,
        password=PASSWORD,
        tag=f"{world.registry.host}/diabetes:2",
        source=str(source),
    )
    expect(done.code == 0, f"packaging the large image failed:\n{done.all}")


def _expect_one_each(world: World) -> None:
    """No second container, dead or alive."""
    for module in world.facts["manifest"]["modules"]:
        found = world.containers(module, all_states=True)
        states = [container["State"]["Status"] for container in found]
        expect(states == ["running"], f"`{module}` should have one running container, Docker has {states}")


def _wait_until_all_ready(world: World) -> None:
    try:
        until(lambda: _all_ready(world), "every module ready", within_s=CONVERGE_S, every_s=0.2)
    except TimedOut:
        raise StoryFailed(f"not every module came back:\n{world.device.cli('status').all}") from None


def _all_ready(world: World) -> bool:
    modules = world.device.status().get("modules", [])
    rows = modules.values() if isinstance(modules, dict) else modules
    states = [row["state"] for row in rows]
    return len(states) == len(world.facts["manifest"]["modules"]) and set(states) <= {"running", "ready"}
