"""What does each transport need to be told? Plain values: no library is imported to read a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgetender.secret import Secret


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach a broker. TLS with verification unless *tls* is False; there is no half-way.

    *ca* None means the system's authorities. Files are read anew for each connection, so renewed ones count.
    `auto` speaks MQTT 5 and falls back to 3.1.1 with a broker that does not.
    """

    host: str
    port: int = 8883
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    username: str | None = None
    password: Secret | None = None
    tls: bool = True
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    keepalive_s: int = 30
    session_expiry_s: int = 7 * 86_400
    will_delay_s: int = 30
    reconnect_max_s: float = 120.0

    @property
    def endpoint(self) -> str:
        """`mqtts://broker.example:8883`: for people, never with a password in it."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """Where manifests are put by hand and reports are fetched by hand.

    A file that did not change for *stable_s* seconds has been written to its end.
    """

    path: Path
    poll_s: float = 1.0
    stable_s: float = 1.0
    messages_max_bytes: int = 16 * 1024 * 1024
