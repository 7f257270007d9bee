"""A docker-registry of our own: TLS, htpasswd, its blobs below a directory we may remove."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo.parts.process import Part, listens, run_to_end

if TYPE_CHECKING:
    from pathlib import Path

    from demo.parts.identities import Authority


class Registry:
    """*users* maps name to password; nobody else gets in, neither to push nor to pull."""

    def __init__(self, home: Path, authority: Authority, *, port: int, users: dict[str, str]) -> None:
        self.port = port
        self.host = f"localhost:{port}"
        self.ca = authority.certificate
        self.users = dict(users)
        server = authority.issue("registry", "localhost", "127.0.0.1")
        home.mkdir(parents=True, exist_ok=True)
        passwords = home / "htpasswd"
        # -i: the password comes by stdin, no process list shows it; -B: the registry knows bcrypt only
        lines = [
            run_to_end(["htpasswd", "-niB", name], stdin=secret).strip() for name, secret in users.items()
        ]
        passwords.write_text("\n".join(lines) + "\n")
        passwords.chmod(0o600)
        config = home / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(home / "blobs")}, "delete": {"enabled": True}},
            "http": {
                "addr": f"127.0.0.1:{port}",
                "secret": "one process alone, nothing to share",
                "tls": {"certificate": str(server.certificate), "key": str(server.key)},
            },
            "auth": {"htpasswd": {"realm": "demo", "path": str(passwords)}},
        }
        config.write_text(json.dumps(settings, indent=2))  # JSON is YAML
        self.part = Part("docker-registry", ["docker-registry", "serve", config], home)

    def start(self) -> None:
        self.part.start()
        self.part.wait_until_ready(lambda: listens(self.port))

    def stop(self) -> None:
        self.part.stop()
