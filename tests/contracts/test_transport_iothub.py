"""What comes down over an IoT Hub, by the unmodified SDK: manifests in twins, nudges, methods."""

from __future__ import annotations

import json
import threading
from typing import Any

from demo.parts.waiting import until
from edgetender.errors import RegistryUnreachable
from edgetender.secret import Secret
from edgetender.transports.iothub import IotHubTransport
from edgetender.transports.iothub_twin import Artifact
from tests.builders.iotedge import edge_agent, edge_module
from tests.services.far_side import opened, settled
from tests.services.hub import TestHub
from tests.services.hub_side import MANIFEST, HubSide, hub_side

# --- what comes down


def test_a_manifest_may_be_the_property_itself(iothub: HubSide) -> None:
    inbox = opened(iothub)
    iothub.hub.desire(iothub.device, {"deployment": MANIFEST})
    until(lambda: inbox.taken, "the manifest")
    assert json.loads(inbox.taken[0]) == MANIFEST


def test_a_patch_to_a_part_of_it_brings_the_whole(iothub: HubSide) -> None:
    iothub.hub.desire(iothub.device, {"deployment": MANIFEST})
    inbox = opened(iothub)
    iothub.hub.desire(iothub.device, {"deployment": {"version": 8}})
    until(lambda: len(inbox.taken) == 2, "both")
    assert json.loads(inbox.taken[1]) == MANIFEST | {"version": 8}


def test_what_was_desired_while_it_was_away_is_read_when_it_comes(iothub: HubSide) -> None:
    inbox = opened(iothub)
    iothub.go_away()
    settled(iothub.transport, connected=False)
    iothub.hub.desire(iothub.device, {"deployment": MANIFEST})
    iothub.come_back()
    until(lambda: inbox.taken, "the manifest")


def test_properties_of_others_are_no_manifest(iothub: HubSide) -> None:
    inbox = opened(iothub)
    reads = iothub.hub.counts(iothub.device)[1]
    iothub.hub.desire(iothub.device, {"telemetryInterval": 5})
    until(lambda: iothub.hub.counts(iothub.device)[1] > reads, "it looked")
    assert inbox.offered == []


def test_a_message_is_a_nudge_to_read_the_twin(iothub: HubSide) -> None:
    opened(iothub)
    reads = iothub.hub.counts(iothub.device)[1]
    iothub.hub.send(iothub.device, b"look")
    until(lambda: iothub.hub.counts(iothub.device)[1] > reads, "it looked")
    until(lambda: iothub.hub.waiting(iothub.device) == 0, "acknowledged")


def test_chunks_that_are_not_what_their_digest_says_are_refused_upstream(iothub: HubSide) -> None:
    inbox = opened(iothub)
    version = iothub.hub.desire(iothub.device, {"deployment": {"chunks": ["{}"], "sha256": "0" * 64}})
    until(lambda: "lastDesiredStatus" in iothub.reported(), "the refusal")
    assert iothub.reported()["lastDesiredVersion"] == version
    assert iothub.reported()["lastDesiredStatus"]["code"] == 400
    assert iothub.reported()["lastDesiredStatus"]["problems"][0]["path"] == "deployment.sha256"
    assert inbox.offered == []
    iothub.publish(json.dumps(MANIFEST).encode())
    until(lambda: inbox.taken, "a sound one")
    until(lambda: "lastDesiredStatus" not in iothub.reported(), "the refusal withdrawn")


def test_a_manifest_may_lie_in_a_registry_and_is_asked_for_until_it_is_there(hub: TestHub) -> None:
    side, answers = hub_side(hub, quiet_s=0.0, fetch_again_s=0.1), [json.dumps(MANIFEST).encode()]
    asked: list[Artifact] = []

    def artifact(what: Artifact) -> bytes:
        asked.append(what)
        if len(asked) < 3:
            raise RegistryUnreachable("cannot fetch it: the registry is down")
        return answers[0]

    side.transport = IotHubTransport(side.settings, side.device, artifact=artifact)
    inbox = opened(side)
    reference = f"registry.example/fleet/line3@sha256:{'0' * 64}"
    hub.desire(side.device, {"deployment": {"oci": reference, "credential": "fleet"}})
    until(lambda: inbox.taken, "the manifest")
    assert inbox.taken == answers
    assert {(str(one.reference), one.credential) for one in asked} == {(reference, "fleet")}
    until(lambda: "lastDesiredStatus" not in side.reported(), "the trouble withdrawn")
    hub.desire(side.device, {"deployment": {"oci": "registry.example/fleet/line3:latest"}})
    until(lambda: "lastDesiredStatus" in side.reported(), "the refusal")
    assert side.reported()["lastDesiredStatus"]["problems"][0]["path"] == "deployment.oci"
    assert len(asked) == 3
    side.transport.close()


def test_as_the_module_edge_agent_it_takes_what_iot_edge_takes(hub: TestHub) -> None:
    side = hub_side(hub)
    agent = f"{side.device}/$edgeAgent"
    hub.register(agent)
    twin = edge_agent(scorer=edge_module())
    twin["runtime"]["settings"]["registryCredentials"] = {
        "r1": {"address": "registry.example", "username": "pull", "password": "hunter2"}
    }
    version = hub.desire(agent, twin)
    side.again(secret=Secret(hub.connection_string(agent)), compat="iotedge", quiet_s=0.0)
    side.device = agent
    inbox = opened(side)
    until(lambda: inbox.taken, "the deployment")
    body = json.loads(inbox.taken[0])
    assert (body["$version"], list(body["modules"])) == (version, ["scorer"])
    assert (
        body["runtime"]["settings"]["registryCredentials"]["r1"]["password"] == "hunter2"
    )  # the inbox parts them
    side.report(lastDesiredVersion=version, lastDesiredStatus={"code": 200, "description": "running"})
    assert (side.reported()["lastDesiredVersion"], side.reported()["lastDesiredStatus"]["code"]) == (
        version,
        200,
    )
    side.transport.close()


# --- methods


def test_a_method_is_answered_by_whoever_answers_for_the_device(iothub: HubSide) -> None:
    asked: list[tuple[str, Any, str]] = []

    def commands(name: str, request: Any, source: str, _identity: str = "") -> tuple[int, Any]:
        asked.append((name, request, source))
        return 207, {"a": [1]}

    iothub.transport.answer(commands)
    opened(iothub)
    assert iothub.hub.invoke(iothub.device, "GetModuleLogs", {"items": []}) == (207, {"a": [1]})
    assert asked == [("GetModuleLogs", {"items": []}, "iothub method")]


def test_a_method_that_takes_its_time_holds_up_no_manifest_and_no_other_method(iothub: HubSide) -> None:
    going_on = threading.Event()

    def commands(name: str, _request: Any, _source: str, _identity: str = "") -> tuple[int, Any]:
        if name == "slow":
            going_on.wait()
        return 200, name

    iothub.transport.answer(commands)
    inbox = opened(iothub)
    slow = threading.Thread(target=iothub.hub.invoke, args=(iothub.device, "slow"))
    slow.start()
    try:
        assert iothub.hub.invoke(iothub.device, "quick") == (200, "quick")
        iothub.publish(b"{}")
        inbox.wait(b"{}")
    finally:
        going_on.set()
        slow.join(60)


def test_without_anybody_to_answer_it_says_so(iothub: HubSide) -> None:
    opened(iothub)
    assert iothub.hub.invoke(iothub.device, "ping")[0] == 501
