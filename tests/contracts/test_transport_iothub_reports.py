"""What a device says over an IoT Hub, by the unmodified SDK: reported properties as differences, and messages."""

from __future__ import annotations

import json
import time

import pytest

from demo.parts.waiting import until
from edgetender.decide.batching import batches
from edgetender.errors import LinkDown
from edgetender.model.upstream import Message
from tests.services.far_side import opened, settled
from tests.services.hub import TestHub
from tests.services.hub_side import MANIFEST, HubSide, hub_side


def test_the_twin_s_version_is_reported_as_hubs_compare_it_and_ours_beside_it(iothub: HubSide) -> None:
    inbox = opened(iothub)
    version = iothub.hub.desire(iothub.device, {"deployment": MANIFEST})
    until(lambda: inbox.taken, "the manifest")
    iothub.report(
        lastDesiredVersion=7,
        lastDesiredStatus={"code": 200, "description": "running", "problems": []},
    )
    found = iothub.reported()
    assert (found["lastDesiredVersion"], found["deploymentVersion"]) == (version, 7)
    later = iothub.hub.desire(iothub.device, {"telemetryInterval": 5})
    until(lambda: iothub.reported()["lastDesiredVersion"] == later, "acted on: nothing to do")


def test_only_differences_are_written_and_nothing_after_a_reconnect(iothub: HubSide) -> None:
    opened(iothub)
    iothub.report(
        health="degraded",
        modules={"a": {"state": "starting", "why": ""}, "b.c": {"state": "running"}},
    )
    iothub.report(health="healthy", modules={"a": {"state": "running"}})
    expected = {"health": "healthy", "modules": {"a": {"state": "running"}}, "$version": 3}
    assert iothub.reported() == expected
    iothub.hub.disconnect(iothub.device)
    until(lambda: iothub.hub.counts(iothub.device)[0] >= 2, "the reconnect")
    settled(iothub.transport, connected=True)
    iothub.report(health="healthy", modules={"a": {"state": "running"}})
    assert iothub.hub.counts(iothub.device)[2] == 2
    assert iothub.reported() == expected


def test_what_the_hub_lost_meanwhile_is_written_again(iothub: HubSide) -> None:
    opened(iothub)
    iothub.report(health="healthy")
    iothub.hub._device(iothub.device).twin.reported.properties.clear()
    iothub.hub.disconnect(iothub.device)
    until(lambda: iothub.hub.counts(iothub.device)[0] >= 2, "the reconnect")
    settled(iothub.transport, connected=True)
    iothub.report(health="healthy")
    assert iothub.reported()["health"] == "healthy"


def test_what_others_report_is_left_alone(iothub: HubSide) -> None:
    opened(iothub)
    iothub.report(health="healthy")
    iothub.hub._device(iothub.device).twin.reported.patch({"theirs": 1})
    iothub.report(health="degraded")
    assert iothub.reported()["theirs"] == 1


def test_progress_is_collected_and_a_verdict_is_not(hub: TestHub) -> None:
    for quiet_s in (0.5, 5, 30):  # a busy machine may take longer than the first to say all of it
        side = hub_side(hub, quiet_s=quiet_s)
        opened(side)
        began = time.monotonic()
        for percent in range(0, 100, 10):
            side.report(health="waiting", modules={"a": {"pullPercent": percent}})
        if (written := hub.counts(side.device)[2]) == 1:
            break
        side.transport.close()
    assert written == 1
    until(lambda: side.reported()["modules"]["a"]["pullPercent"] == 90, "the last of it")
    assert time.monotonic() - began >= quiet_s
    assert hub.counts(side.device)[2] == 2
    side.report(health="healthy", modules={"a": {"pullPercent": 90}})
    assert hub.counts(side.device)[2] == 3
    side.transport.close()


def test_a_throttled_write_is_a_link_down_and_works_later(iothub: HubSide) -> None:
    opened(iothub)
    iothub.hub.wrongs.refuse_reported = 1
    with pytest.raises(LinkDown, match="429"):
        iothub.report(health="healthy")
    iothub.report(health="healthy")
    assert iothub.reported()["health"] == "healthy"
    assert iothub.hub.counts(iothub.device)[0] == 1


def test_64_modules_with_long_reasons_fit_a_twin(iothub: HubSide) -> None:
    opened(iothub)
    module = {
        "state": "unhealthy",
        "why": "x" * 600,
        "image": f"registry.example/{'m' * 80}@sha256:{'0' * 64}",
    }
    module |= {"lastExit": {"at": "2026", "code": 1, "reason": "r" * 200, "log": ["line"] * 20}}
    iothub.report(health="degraded", modules={f"module.{number}": module for number in range(64)})
    assert len(iothub.reported()["modules"]) == 64
    assert "module%2E1" in iothub.reported()["modules"]


@pytest.mark.parametrize("topic", ["telemetry/device", "telemetry/scorer/alarms"])
def test_telemetry_goes_as_a_message_that_says_what_it_is(iothub: HubSide, topic: str) -> None:
    opened(iothub)
    iothub.transport.send(Message(topic, b'{"load1": 0.2}'), timeout_s=60)
    [message] = iothub.hub.messages(iothub.device)
    assert message.body == b'{"load1": 0.2}'
    assert message.properties["kind"] == topic
    assert message.properties["$.ct"] == "application/json"
    assert message.properties["$.ce"] == "utf-8"
    assert message.properties["$.mid"]


def test_samples_that_went_together_say_how_many_they_are_and_fill_one_metered_unit(iothub: HubSide) -> None:
    opened(iothub)
    batching = iothub.transport.link().batching
    assert batching is not None
    samples = [Message("telemetry/modules", b'{"n":%d}' % number, id=number) for number in range(1000)]
    first, *_ = batches(samples, batching)
    iothub.transport.send(first.joined(), timeout_s=60)
    [message] = iothub.hub.messages(iothub.device)
    assert json.loads(message.body) == [{"n": number} for number in range(len(first.messages))]
    assert message.properties["count"] == str(len(first.messages))
    assert message.properties["kind"] == "telemetry/modules"
    metered = len(message.body) + sum(len(key) + len(value) for key, value in message.properties.items())
    assert 4096 - 128 < metered <= 4096


def test_a_message_beyond_256_kib_is_refused_and_shows_on_the_link(iothub: HubSide) -> None:
    opened(iothub)
    with pytest.raises(LinkDown, match="at most 262144"):
        iothub.transport.send(Message("event/x", b"x" * (256 * 1024 + 1)), timeout_s=60)
    assert "262144" in iothub.transport.link().detail


def test_two_devices_of_one_hub_hear_only_their_own(iothub: HubSide) -> None:
    other = hub_side(iothub.hub, quiet_s=0.0)
    mine, theirs = opened(iothub), opened(other)
    for side, version in ((iothub, 1), (other, 2)):
        side.publish(json.dumps(MANIFEST | {"version": version}).encode())
        side.report(health=side.device)
        side.transport.send(Message("event/x", side.device.encode()), timeout_s=60)
    until(lambda: mine.taken and theirs.taken, "both")
    assert [json.loads(one.taken[-1])["version"] for one in (mine, theirs)] == [1, 2]
    for side in (iothub, other):
        assert side.reported()["health"] == side.device
        assert [one.body for one in side.hub.messages(side.device)] == [side.device.encode()]
    other.transport.close()
