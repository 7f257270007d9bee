"""What do paho's majors call things? Reasons, and a command with what came beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho

from edgetender.model.trace import MEMBER, carrying
from edgetender.transports.publication import Asked


def code_of(reason: Any) -> int:
    return int(getattr(reason, "value", reason))


def words_of(reason: Any, spell: Callable[[int], str]) -> str:
    return spell(reason) if isinstance(reason, int) else str(reason)


def asked_of(message: paho.MQTTMessage, root: str) -> Asked:
    """The command in *message*, whose topic begins with *root*; MQTT 5 says beside it who is answered."""
    beside = getattr(message, "properties", None)
    return Asked(
        message.topic.removeprefix(root),
        bytes(message.payload),
        reply_to=getattr(beside, "ResponseTopic", ""),
        correlation=bytes(getattr(beside, "CorrelationData", b"")),
        retained=bool(message.retain),
    )


def body_of(message: paho.MQTTMessage) -> bytes:
    """What *message* says, with the trace context that MQTT 5 may say beside it."""
    beside = getattr(message, "properties", None)
    said: dict[str, str] = dict(getattr(beside, "UserProperty", ()))
    return carrying(bytes(message.payload), said.get(MEMBER, ""))
