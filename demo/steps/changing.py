"""Step 6: an update replaces one module only; a bad manifest and a missing image leave what runs alone."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from demo import manifests
from demo.narrator import expect
from demo.parts.load import Load
from demo.parts.signer import Signer
from demo.steps.deploying import push, wait_until_applied
from demo.world import HOST_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.world import World


_REQUESTS_PER_S = 50


def update(world: World) -> None:
    """6. Versions 2 (an environment value), 3 (not signed, bad in five ways) and 4 (an image that is not there)."""
    _change_an_environment_value(world)
    _refuse_what_nobody_signed(world)
    _refuse_five_faults_at_once(world)
    _keep_serving_without_the_image(world)


def _change_an_environment_value(world: World) -> None:
    before = running(world)
    document = manifests.changed(world.facts["manifest"], 2, diabetes={"env": {"SITE": "hall 4"}})
    world.facts["manifest"] = document
    body = json.dumps({"data": [list(range(1, 11))]}).encode()
    with Load(HOST_PORT, "/score", body=body, per_s=_REQUESTS_PER_S) as load:
        load.go_on(_REQUESTS_PER_S)
        began = push(world, document)
        wait_until_applied(world, 2, since=began, within_s=90)
        load.go_on(_REQUESTS_PER_S)
    after = running(world)
    expect(after["diabetes"] != before["diabetes"], "version 2 did not replace the module it changed")
    expect(after["neighbour"] == before["neighbour"], "version 2 replaced the neighbour it did not change")
    (container,) = world.containers("diabetes")
    expect("SITE=hall 4" in container["Config"]["Env"], "the new environment value is not in the container")
    history = world.device.cli("history").all
    status = world.device.cli("status").all
    expect("2" in history, f"`edgetender history` does not know version 2:\n{history}")
    expect("2" in status, f"`edgetender status` does not show version 2:\n{status}")
    world.say.check(
        "version 2 changes one environment value: only that module was replaced",
        f"{time.monotonic() - began:.1f} s; status, history and reported follow",
    )
    if world.fronts("diabetes"):
        expect(not load.failures, f"the update dropped requests: {load}")
        world.say.check("under load all the while: the update dropped no request", str(load))


def _refuse_what_nobody_signed(world: World) -> None:
    """What anyone could send who holds the broker."""
    before = running(world)
    document = manifests.changed(world.facts["manifest"], 3, diabetes={"env": {"SITE": "elsewhere"}})
    stranger = Signer(world.home / "manifests" / "stranger")
    for how, body, code in (
        ("not signed", json.dumps(document).encode(), "signature.missing"),
        ("signed by a stranger", stranger.unchecked(document), "signature.invalid"),
    ):
        sent = world.upstream.publish("desired", body, retain=True)
        heard = world.upstream.wait(
            "reported",
            f"a manifest that is {how}, refused",
            _refused_for(code),
            within_s=30,
            since=sent,
        )
        world.say.check(f"version 3, {how}, is refused: {code}", f"{heard.at - sent:.2f} s; promised: 2 s")
    expect(running(world) == before, "a manifest that nobody signed touched a running container")


def _refused_for(code: str) -> Callable[[Any], bool]:
    return lambda body: code in str(body["lastDesiredStatus"])


def _refuse_five_faults_at_once(world: World) -> None:
    before = running(world)
    document, faults = manifests.bad_in_five_ways(world.facts["manifest"], 3)
    log_before = len(world.device.part.log.read_text())
    # straight to the topic: `edgetender sign` would have refused it on the author's machine
    refused = world.upstream.publish("desired", world.signer.unchecked(document), retain=True)
    heard = world.upstream.wait(
        "reported",
        "version 3 refused with code 400",
        lambda body: body["lastDesiredStatus"]["code"] >= 400 and "modules.diabetes" in str(body),
        within_s=30,
        since=refused,
    )
    took = heard.at - refused
    status = world.device.cli("status", "-o", "json").out
    log = world.device.part.log.read_text()[log_before:]
    for fault, where in faults.items():
        for place, text in (("reported", str(heard.body)), ("status", status), ("the log", log)):
            expect(where in text, f"{fault} ({where}) is missing in {place}:\n{text[-3000:]}")
    expect(running(world) == before, "a refused manifest touched a running container")
    expect(world.serves(), "the module stopped serving because of a refused manifest")
    world.say.check(
        "version 3, bad in five ways: all five reported with their paths, nothing touched",
        f"{took:.2f} s; promised: 2 s",
    )
    for fault, where in faults.items():
        world.say.note(f"{where}: {fault}")


def _keep_serving_without_the_image(world: World) -> None:
    before = running(world)
    missing = f"{world.registry.host}/diabetes@sha256:{'0' * 64}"  # a tag without an image is not even signed
    document = manifests.changed(world.facts["manifest"], 4, diabetes={"image": missing})
    began = push(world, document)
    world.upstream.wait(
        "reported",
        "the missing image's reason",
        lambda body: body["lastDesiredVersion"] == 4 and "image.missing" in str(body),
        within_s=30,
        since=began,
    )
    status = world.device.cli("status")
    expect(missing in status.all, f"`edgetender status` does not name the missing image:\n{status.all}")
    expect(running(world) == before, "a version whose image is missing touched a running container")
    expect(world.serves(), "the module stopped serving because of an image that is not there")
    reason = next(line for line in status.all.splitlines() if missing in line)
    world.say.check(
        "version 4 names an image that is not there: version 2 keeps serving", reason.strip()[:120]
    )


def running(world: World) -> dict[str, Any]:
    """Container id and start time by module: what must not change when nothing may be touched."""
    return {
        container["Config"]["Labels"]["io.edgetender.module"]: (
            container["Id"],
            container["State"]["StartedAt"],
        )
        for container in world.containers()
    }
