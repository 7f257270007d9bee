"""Which transport does the configuration ask for? Only that one is imported."""

from __future__ import annotations

from typing import Literal, cast

from edgetender.config.settings import Settings
from edgetender.ports import Credentials, Transport
from edgetender.transports import load
from edgetender.transports.none import NoTransport
from edgetender.transports.settings import FolderSettings, MqttSettings


def transport_of(settings: Settings, credentials: Credentials) -> Transport:
    """Build the configured transport, not opened. Raises CredentialUnusable."""
    chosen = settings.transport
    match chosen.kind:
        case "mqtt":
            password = (
                credentials.get(chosen.password_credential).password if chosen.password_credential else None
            )
            mqtt = MqttSettings(
                host=chosen.host,
                port=chosen.port,
                ca=chosen.ca,
                certificate=chosen.certificate,
                key=chosen.key,
                username=chosen.username or None,
                password=password,
                tls=chosen.tls,
                protocol=cast(Literal["auto", "5", "3.1.1"], chosen.protocol),
                keepalive_s=chosen.keepalive_s,
                will_delay_s=chosen.will_delay_s,
            )
            return cast(Transport, load("mqtt")(mqtt, settings.device))
        case "folder":
            folder = FolderSettings(chosen.path or settings.state_dir / "exchange")
            return cast(Transport, load("folder")(folder, settings.device))
        case _:
            return NoTransport()
