"""What is said over MQTT, and by whom? Values, so that who only describes a message needs no MQTT library."""

from __future__ import annotations

from dataclasses import dataclass

JSON = "application/json; charset=utf-8"  # Event Grid passes a body through as it is only with this


def root_topic(device: str) -> str:
    """Everything about *device* is below this topic."""
    return f"edgetender/v1/{device}"


@dataclass(frozen=True, slots=True)
class Publication:
    """One message to publish, QoS 1. What follows *retain* is said only where MQTT 5 is spoken."""

    topic: str
    body: bytes
    retain: bool = False
    content_type: str = JSON
    expiry_s: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    correlation: bytes = b""


@dataclass(frozen=True, slots=True)
class Party:
    """Who connects: its client id, the one topic it listens to, its last will, the topics it is asked on.

    *keeps_session*: what was not acknowledged is delivered again on the next connection.
    """

    client_id: str
    subscription: str | None = None
    will: Publication | None = None
    keeps_session: bool = True
    commands: str = ""  # a filter that ends with #


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that arrived, with what MQTT 5 says beside it."""

    name: str
    body: bytes
    reply_to: str = ""
    correlation: bytes = b""
    retained: bool = False
