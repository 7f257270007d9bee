"""What does each transport need to be told? Plain values: no library is imported to read a configuration."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class IotHubSettings:
    """How to reach an Azure IoT Hub as *device*, or as a *module* of it.

    *secret* is a connection string, a shared access signature or a symmetric key; without it the *certificate*
    counts. A key needs *host*. *gateway* is where to connect instead of *host*. Tokens made of a key live
    *token_s*; the hub has *answer_s* for each answer. *quiet_s*: what nobody waits for is reported at most once
    in so long; *batch_s*: telemetry may wait so long for more of it. A manifest that lies elsewhere is
    asked for again after *fetch_again_s*. *compat* `iotedge` reports in the shape of
    IoT Edge's agent.

    With an *id_scope* the provisioning service names host and device; the secret is then a symmetric key, that
    of the *group* it belongs to or its own. What was assigned is kept in *assignment*.
    """

    device: str
    host: str = ""
    secret: Secret | None = None
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    module: str = ""
    websockets: bool = False
    proxy: str = ""
    gateway: str = ""
    keepalive_s: int = 60
    token_s: int = 3600
    answer_s: float = 20.0
    compat: Literal["", "iotedge"] = ""
    quiet_s: float = 60.0
    batch_s: float = 0.0
    fetch_again_s: float = 60.0
    id_scope: str = ""
    registration: str = ""
    provisioning_host: str = "global.azure-devices-provisioning.net"
    group: bool = False
    assignment: Path | None = None
    reconnect_max_s: float = 120.0

    @property
    def renews(self) -> bool:
        """Whether tokens are made here, and again and again."""
        secret = self.secret.reveal() if self.secret is not None else ""
        return bool(secret) and self.certificate is None and not secret.startswith("SharedAccessSignature ")

    def connection_string(self) -> str:
        """As the portal writes it; of a bare key with *host* and *device*."""
        secret = self.secret.reveal() if self.secret is not None else ""
        if self.group and secret:
            secret = group_member_key(secret.strip(), self.registration)
        module = f";ModuleId={self.module}" if self.module else ""
        if "HostName=" in secret:
            return secret.strip() + (module if "ModuleId=" not in secret else "")
        gateway = f";GatewayHostName={self.gateway}" if self.gateway else ""
        return (
            f"HostName={self.host};DeviceId={self.device}{module}{gateway};SharedAccessKey={secret.strip()}"
        )

    def named(self) -> IotHubSettings:
        """With host, device and module as the connection string names them, where there is one."""
        secret = self.secret.reveal() if self.secret is not None else ""
        if "HostName=" not in secret:
            return self
        parts = dict(part.partition("=")[::2] for part in secret.strip().split(";"))
        return replace(
            self,
            host=parts.get("HostName", self.host),
            device=parts.get("DeviceId", self.device),
            module=parts.get("ModuleId", self.module),
            gateway=parts.get("GatewayHostName", self.gateway),
        )

    @property
    def endpoint(self) -> str:
        """`iothub://hub.example/cam7`: for people, never with a key in it."""
        if self.id_scope:
            return f"iothub://{self.provisioning_host}/{self.id_scope}/{self.registration}"
        return f"iothub://{self.host}/{self.device}" + (f"/{self.module}" if self.module else "")


def group_member_key(group_key: str, registration: str) -> str:
    """The key of one device of an enrolment group. Raises ValueError for a group key that is no base64."""
    key = base64.b64decode(group_key, validate=True)
    return base64.b64encode(hmac.digest(key, registration.encode(), "sha256")).decode()
