"""A mosquitto of our own: TLS with client certificates, topic rules per device, a plain door for tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from demo.parts.process import Part, listens, run_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from demo.parts.identities import Authority, Keypair

# %u is the client certificate's common name: a device reads and writes below its own name only
_TOPIC_RULES = """\
user operator
topic readwrite edgetender/v1/#
pattern read edgetender/v1/%u/desired
pattern read edgetender/v1/%u/cmd/#
pattern write edgetender/v1/%u/reported
pattern write edgetender/v1/%u/status
pattern write edgetender/v1/%u/birth
pattern write edgetender/v1/%u/telemetry/#
pattern write edgetender/v1/%u/event/#
pattern write edgetender/v1/%u/rsp/#
"""


class Broker:
    """Retained messages and sessions survive a restart, which comes back on the same ports."""

    def __init__(
        self, home: Path, authority: Authority, *, tls_port: int, plain_port: int | None = None
    ) -> None:
        self.tls_port = tls_port
        self.plain_port = plain_port
        self.user, self.password = (
            "device",
            "open sesame",
        )  # of the plain listener alone; nobody is welcome too
        self.ca = authority.certificate
        self._home = home
        server = authority.issue("broker", "localhost", "127.0.0.1")
        home.mkdir(parents=True, exist_ok=True)
        config = home / "mosquitto.conf"
        config.write_text(self._config(server))
        self.part = Part("mosquitto", ["/usr/sbin/mosquitto", "-c", config], home)

    def start(self) -> None:
        self.part.start()
        self.part.wait_until_ready(lambda: listens(self.tls_port))

    def stop(self) -> None:
        self.part.stop()

    def kill(self) -> None:
        self.part.kill()

    def _config(self, server: Keypair) -> str:
        lines = [
            # mosquitto leaves root for a user that could not read keys below a private directory
            f"user {'root' if os.geteuid() == 0 else ''}".strip(),
            "persistence true",
            f"persistence_location {self._home}/",
            "autosave_interval 1",
            "log_dest stderr",
            "log_timestamp_format %Y-%m-%dT%H:%M:%S",
            "connection_messages true",
            "max_packet_size 1048576",
            f"allow_anonymous {'true' if self.plain_port else 'false'}",
        ]
        if self.plain_port is None:
            rules = self._home / "topic.rules"
            rules.write_text(_TOPIC_RULES)
            rules.chmod(0o600)
            lines.append(f"acl_file {rules}")
        else:
            passwords = self._home / "passwords"
            passwords.unlink(missing_ok=True)
            run_to_end(["mosquitto_passwd", "-b", "-c", passwords, self.user, self.password])
            lines += [f"password_file {passwords}", f"listener {self.plain_port} 127.0.0.1"]
        lines += [
            f"listener {self.tls_port} 127.0.0.1",
            f"cafile {self.ca}",
            f"certfile {server.certificate}",
            f"keyfile {server.key}",
            "require_certificate true",
            "use_identity_as_username true",
        ]
        return "\n".join(line for line in lines if line != "user") + "\n"
