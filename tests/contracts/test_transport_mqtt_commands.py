"""Commands over MQTT: how they are said on 5 and on 3.1.1, where answers go, and what is left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from demo.parts.waiting import until
from tests.services.far_side import MqttSide, mqtt_side, opened, settled

pytestmark = pytest.mark.broker


@dataclass
class Commands:
    """Keeps `ports.Commands`: remembers, and answers with what was asked."""

    asked: list[tuple[str, Any, str, str]] = field(default_factory=list)
    going_on: threading.Event = field(default_factory=threading.Event)

    def __call__(self, name: str, request: Any, source: str, identity: str = "") -> tuple[int, Any]:
        self.asked.append((name, request, source, identity))
        if name == "slow":
            self.going_on.wait()
        return 200, {"asked": request}


@pytest.fixture(params=["5", "3.1.1"])
def mqtt_device(request: pytest.FixtureRequest, broker: Any) -> Iterator[tuple[MqttSide, Commands]]:
    with mqtt_side(broker.port, request.param) as side:
        commands = Commands()
        side.transport.answer(commands)
        opened(side)
        yield side, commands
        commands.going_on.set()


def answers(side: MqttSide, count: int = 1) -> list[dict[str, Any]]:
    until(lambda: len(side.heard("rsp/test")) >= count, f"{count} answers")
    return [json.loads(body) for body in side.heard("rsp/test")]


def say(side: MqttSide, name: str, **body: Any) -> None:
    said = {"reply_to": f"edgetender/v1/{side.device}/rsp/test"} | body
    side.listener.publish(f"cmd/{name}", json.dumps(said).encode())


def test_a_command_says_in_its_body_who_it_is_and_where_the_answer_goes(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    say(side, "RestartModule", id="a1", arguments={"id": "scorer"})
    assert answers(side) == [{"id": "a1", "status": 200, "answer": {"asked": {"id": "scorer"}}}]
    assert commands.asked == [("RestartModule", {"id": "scorer"}, "mqtt command", "a1")]


def test_one_that_wants_no_answer_gets_none(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    side.listener.publish("cmd/ping", b"")
    until(lambda: commands.asked, "the command")
    assert commands.asked == [("ping", None, "mqtt command", "")]
    say(side, "ping")
    assert len(answers(side)) == 1


def test_one_that_has_expired_or_cannot_be_read_is_not_carried_out(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    say(side, "ping", id="late", expires_at="2020-01-01T00:00:00Z")
    assert answers(side)[0]["status"] == 408
    for body in (b"[]", b"{", b'{"id": 3}', b'{"expires_at": "tomorrow"}'):
        side.listener.publish("cmd/ping", body)
    say(side, "ping", id="well", expires_at="2999-01-01T00:00:00Z")
    assert answers(side, 2)[1]["id"] == "well"
    assert [identity for *_, identity in commands.asked] == ["well"]


def test_a_slow_one_holds_up_neither_manifests_nor_others(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    say(side, "slow", id="slow")
    say(side, "ping", id="quick")
    assert answers(side)[0]["id"] == "quick"
    commands.going_on.set()
    assert answers(side, 2)[1]["id"] == "slow"


def test_a_flood_is_answered_with_busy(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    for number in range(8):
        say(side, "slow", id=f"s{number}")
    until(lambda: len(commands.asked) == 8, "eight at work")
    side.listener.publish("cmd/ping", b"{}")
    commands.going_on.set()
    assert len(answers(side, 8)) == 8
    say(side, "ping", id="after")
    until(lambda: any(one["id"] == "after" for one in answers(side)), "room again")


def test_a_retained_command_is_left_alone(mqtt_device: Any) -> None:
    side, commands = mqtt_device
    side.listener.publish("cmd/RestartModule", b'{"id": "old"}', retain=True)
    until(lambda: commands.asked, "it arrives now, which counts")
    say(side, "ping", id="between")  # what came before it is acknowledged by now, so it will not come again
    answers(side)
    side.go_away()
    settled(side.transport, connected=False)
    side.come_back()
    settled(side.transport, connected=True)
    say(side, "ping", id="new")
    until(lambda: "new" in [identity for *_, identity in commands.asked], "the new one")
    assert [identity for *_, identity in commands.asked if identity != "between"] == ["old", "new"]
    side.listener.forget("cmd/RestartModule")


def test_mqtt_5_says_it_beside_the_body(broker: Any) -> None:
    with mqtt_side(broker.port, "5") as side:
        commands = Commands()
        side.transport.answer(commands)
        opened(side)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = f"edgetender/v1/{side.device}/rsp/test"
        properties.CorrelationData = b"\x01\x02"
        topic = f"edgetender/v1/{side.device}/cmd/RestartModule"
        info = side.listener._client.publish(topic, b'{"id": "scorer"}', qos=1, properties=properties)
        assert isinstance(info, paho.MQTTMessageInfo)
        answer = side.listener.wait("rsp/test")
        assert json.loads(answer.body) == {"id": "0102", "status": 200, "answer": {"asked": {"id": "scorer"}}}
        assert answer.properties["CorrelationData"] == "0102"
        assert ["status", "200"] in [list(pair) for pair in answer.properties["UserProperty"]]
        assert commands.asked == [("RestartModule", {"id": "scorer"}, "mqtt command", "0102")]
