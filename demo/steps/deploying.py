"""Steps 3 to 5: a manifest over MQTT becomes a container that answers, and the cloud sees it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import requests

from demo import manifests
from demo.clean import DEVICE
from demo.device import INTERVAL_S
from demo.narrator import StoryFailed, expect
from demo.parts.waiting import TimedOut, until
from demo.world import HOST_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from demo.world import World

MODULE = "io.edgetender.module"
ROWS = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]


def deploy(world: World) -> None:
    """3. `edgetender push` publishes a signed manifest; the daemon stores it, pulls, starts, waits until ready."""
    took = world.device.start()
    world.say.check("the daemon runs: `edgetender daemon`", f"answers after {took:.1f} s")
    document = manifests.first(world)
    began = time.monotonic()
    world.facts["manifest"] = document
    push(world, document)
    first = world.upstream.wait(
        "reported", "the pull's progress or its end", _mentions_modules, within_s=30, since=began
    )
    world.say.check(
        f"manifest 1 signed and pushed: {world.upstream.delivery}",
        f"{first.at - began:.1f} s",
    )
    wait_until_applied(world, 1, since=began, within_s=90)
    by_docker = world.containers("diabetes")
    expect(len(by_docker) == 1, f"one container was wanted for `diabetes`, Docker has {len(by_docker)}")
    bindings = by_docker[0]["HostConfig"]["PortBindings"] or {}
    fronts = world.fronts("diabetes")
    if fronts:
        expect(not bindings, f"behind a front the container publishes {bindings}")
    else:
        expect(bindings["5001/tcp"][0]["HostPort"] == str(HOST_PORT), f"the ports are {bindings}")
    world.say.check(
        f"pulled, started, ready: host port {HOST_PORT} → container port 5001",
        f"{time.monotonic() - began:.1f} s from push to ready",
    )


def score(world: World) -> None:
    """4. The packaging seed's client gets two numbers, equal to the model's in-process; 442 rows too."""
    model, rows = world.facts["model"], world.facts["rows"]
    try:
        two = world.score(ROWS)
    except requests.RequestException as error:
        raise StoryFailed(f"http://localhost:{HOST_PORT}/score does not answer: {error}") from error
    expected = model.predict(ROWS).tolist()
    expect(_equal(two, expected), f"the container says {two}, the model {expected}")
    world.say.check("POST /score with two rows returns what the model says in-process", f"{two}")
    began = time.monotonic()
    scored = world.score(rows)
    elapsed = time.monotonic() - began
    expect(
        _equal(scored, model.predict(rows).tolist()), "the container and the model differ on the real rows"
    )
    world.say.check(
        f"all {len(rows)} real rows are scored and equal", f"{elapsed * 1000:.0f} ms in one request"
    )


def look_upstream(world: World) -> None:
    """5. Upstream sees status, reported state, telemetry at its interval and an event per change."""
    since = world.facts.get("upstream_since", 0.0)
    online = world.upstream.wait("status", "online", lambda body: body["state"] == "online", within_s=30)
    world.say.check(world.upstream.presence, f"session {online.body['session']}")
    reported = world.upstream.latest("reported")
    expect(reported["lastDesiredVersion"] == 1, f"reported names version {reported['lastDesiredVersion']}")
    expect(reported["lastDesiredStatus"]["code"] == 200, f"reported says {reported['lastDesiredStatus']}")
    states = {name: module["state"] for name, module in reported["modules"].items()}
    world.say.check("`reported`: version 1, code 200, each module's state", json.dumps(states))
    for topic, wanted in (
        ("telemetry/device", ("cpu", "memory", "disk")),
        ("telemetry/modules", ("cpu", "memory", "restarts")),
    ):
        wait_for_messages(world, topic, 2, since=since)
        # the first samples may be older than the first container
        sample = world.upstream.wait(
            topic,
            f"sample with {', '.join(wanted)}",
            _saying(wanted),
            within_s=6 * INTERVAL_S,
            since=since,
        ).body
        world.say.check(f"`{topic}` every {INTERVAL_S} s: {', '.join(wanted)}", _short(sample))
    events = world.upstream.heard("event/#")
    expect(events, "no event came although a deployment was applied")
    kinds = sorted({one.topic.removeprefix("event/") for one in events})
    world.say.check("`event/…` for each change of state", ", ".join(kinds))


def push(world: World, document: dict[str, Any]) -> float:
    """`edgetender sign` and what brings it to the device, as an author does it; return the moment before."""
    path: Path = world.home / "manifests" / f"v{document['version']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    envelope = path.with_suffix(".signed.json")
    words = (
        "--key",
        world.signer.key,
        "--device",
        DEVICE,
        "--store",
        world.home / "operator",
        "-o",
        envelope,
    )
    signed = world.device.cli("sign", path, *words)
    expect(signed.code == 0, f"`edgetender sign {path.name}` failed:\n{signed.all}")
    began = time.monotonic()
    world.upstream.push(world.device, envelope)
    return began


def wait_until_applied(world: World, version: int, *, since: float, within_s: float) -> None:
    """Until upstream says code 200 for *version*, and the port serves."""
    world.upstream.wait(
        "reported",
        f"version {version} applied (code 200)",
        lambda body: body["lastDesiredVersion"] == version and body["lastDesiredStatus"]["code"] == 200,
        within_s=within_s,
        since=since,
    )
    wait_until_serving(world, within_s=30)
    wait_until_one_each(world)


def wait_until_one_each(world: World) -> None:
    """Until what was replaced is gone: it may end what it had begun."""
    wanted = set(world.facts["manifest"]["modules"])

    def one_each() -> bool:
        there = [container["Config"]["Labels"][MODULE] for container in world.containers(all_states=True)]
        return len(there) == len(set(there)) and wanted <= set(there)

    try:
        until(one_each, "the end of what was replaced", within_s=60, every_s=0.2)
    except TimedOut:
        raise StoryFailed(f"what was replaced is still there:\n{world.device.cli('status').all}") from None


def wait_until_serving(world: World, *, within_s: float) -> float:
    """Return the seconds it took until the port answered; explain with the daemon's log when it did not."""
    began = time.monotonic()
    try:
        until(world.serves, "an answer", within_s=within_s)
    except TimedOut:
        raise StoryFailed(
            f"port {HOST_PORT} does not serve after {within_s:g} s; it says:\n{world.device.part.tail()}"
        ) from None
    return time.monotonic() - began


def wait_for_messages(world: World, topic: str, count: int, *, since: float) -> None:
    enough = threading.Event()
    deadline = time.monotonic() + count * INTERVAL_S * 3 + 5
    while len(world.upstream.heard(topic, since=since)) < count:
        if time.monotonic() > deadline:
            raise StoryFailed(f"`{topic}` did not come {count} times within its interval of {INTERVAL_S} s")
        enough.wait(0.1)


def _saying(words: Iterable[str]) -> Callable[[Any], bool]:
    return lambda body: all(word in json.dumps(body).lower() for word in words)


def _mentions_modules(body: Any) -> bool:
    return bool(body.get("modules")) or body.get("lastDesiredVersion") == 1


def _equal(left: list[float], right: list[float]) -> bool:
    """To the last bits that a different order of additions may change."""
    return len(left) == len(right) and all(
        abs(a - b) <= 1e-9 * max(1.0, abs(b)) for a, b in zip(left, right, strict=True)
    )


def _short(sample: Any, limit: int = 150) -> str:
    text = json.dumps(sample, separators=(",", ":"))
    return text if len(text) <= limit else text[:limit] + "…"
