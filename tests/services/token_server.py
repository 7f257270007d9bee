"""Who issues tokens, for tests: Entra ID, an Azure registry with its own token server, an OAuth2 server, metadata.

All of it is one real server on loopback that keeps to what is documented, and repeats secrets in its free text, as
some do.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from demo.parts.identities import Authority
from edgetender.model.access import ACR_AUDIENCE, ACR_USER
from edgetender.registry.manifests import OCI_MANIFEST

TENANT, CLIENT, SECRET = "contoso.example", "app-1", "canary-client-2f6b~Q+%"
ARC_KEY = "canary-arc-77aa"
CANARY = "canary"  # is in every secret and token there


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    path: str
    said: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class TokenServer:
    """With *home* it has TLS, by the authority whose certificate is `ca`.

    *layout*: an OCI layout, whose images any repository has. *refusals*: (status, document) instead of the answer at a path; *life_s*: how long a token is good; *in_header*:
    whether clients are to show their secret there.
    """

    home: Path | None = None
    arc_key: Path | None = None
    layout: Path | None = None
    life_s: int = 3600
    in_header: bool = False
    asked: list[Asked] = field(default_factory=list)
    refusals: dict[str, tuple[int, Any]] = field(default_factory=dict)
    issued: int = 0
    ca: Path | None = None

    def __post_init__(self) -> None:
        server = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                server._answer(self)

            do_GET = do_POST = do_HEAD = _any  # noqa: N815  http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if self.home is not None:
            authority = Authority(self.home)
            pair, self.ca = authority.issue("tokens", "localhost"), authority.certificate
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.certificate, pair.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"localhost:{self._server.server_port}"
        self.url = f"{'https' if self.home else 'http'}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]

    def _answer(self, wire: BaseHTTPRequestHandler) -> None:
        url = urlsplit(wire.path)
        body = wire.rfile.read(int(wire.headers.get("Content-Length") or 0)).decode()
        asked = Asked(
            wire.command,
            url.path,
            dict(parse_qsl(body if wire.command == "POST" else url.query)),
            wire.headers,
        )
        self.asked.append(asked)
        status, document, headers = self._decided(asked)
        if url.path in self.refusals:
            (status, document), headers = self.refusals[url.path], {}
        sent = document if isinstance(document, bytes) else json.dumps(document).encode()
        wire.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(sent))}.items():
            wire.send_header(name, value)
        wire.end_headers()
        if asked.method != "HEAD":
            wire.wfile.write(sent)

    def _decided(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        said, authority = asked.said, f'Bearer realm="{self.url}/oauth2/token",service="{self.host}"'
        scope = {"scope": f"{ACR_AUDIENCE}/.default"} if TENANT in asked.path else {}
        match (asked.method, asked.path):
            case ("POST", "/contoso.example/oauth2/v2.0/token" | "/oauth/token"):
                if _secret(asked, in_header=self.in_header) != SECRET or scope.items() - said.items():
                    free = f"AADSTS7000215: Invalid client secret in {said}"
                    return 401, _no("invalid_client", free, 7000215), {"WWW-Authenticate": "Basic realm=x"}
                assert said["grant_type"] == "client_credentials"
                return 200, {"access_token": self._new("entra"), "expires_in": self.life_s}, {}
            case ("GET", "/metadata/identity/oauth2/token"):
                return self._metadata(asked)
            case ("POST", "/oauth2/exchange"):
                right = said["grant_type"] == "access_token" and said["service"] == self.host
                if not right or not said["access_token"].startswith("canary-entra"):
                    no = {"errors": [{"code": "UNAUTHORIZED", "message": str(said)}]}
                    return 401, no, {"WWW-Authenticate": authority}
                return 200, {"refresh_token": self._jwt()}, {}
            case (_, "/oauth2/token"):
                known = said.get("refresh_token") or _basic(asked).get(ACR_USER, "")
                if CANARY not in known or said.get("service") != self.host:
                    return 401, {"errors": [{"code": "UNAUTHORIZED", "message": known}]}, {}
                return 200, {"access_token": self._new("access")}, {}
            case (_, path) if path.startswith("/v2/"):
                if "Bearer canary-access" in asked.headers.get("Authorization", ""):
                    return self._image(path.split("/")) if path != "/v2/" else (200, {}, {})
                return 401, {"errors": [{"code": "UNAUTHORIZED"}]}, {"WWW-Authenticate": authority}
            case _:
                return 404, {}, {}

    def _image(self, path: list[str]) -> tuple[int, Any, dict[str, str]]:
        blob = (self.layout or Path("/nowhere")) / "blobs" / path[-1].replace(":", "/")
        if not blob.is_file():
            return 404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}, {}
        kind = OCI_MANIFEST if path[-2] == "manifests" else "application/octet-stream"
        return 200, blob.read_bytes(), {"Content-Type": kind, "Docker-Content-Digest": path[-1]}

    def _metadata(self, asked: Asked) -> tuple[int, Any, dict[str, str]]:
        if asked.headers.get("Metadata") != "true" or asked.said["resource"] != ACR_AUDIENCE:
            return 400, _no("invalid_request", "Required metadata header not specified"), {}
        if asked.said.get("client_id", CLIENT) != CLIENT:
            return 400, _no("invalid_request", "Identity not found"), {}
        if self.arc_key is not None and asked.headers.get("Authorization") != f"Basic {ARC_KEY}":
            return 401, {}, {"WWW-Authenticate": f"Basic realm={self.arc_key}"}
        return 200, {"access_token": self._new("entra"), "expires_in": str(self.life_s)}, {}

    def _new(self, kind: str) -> str:
        self.issued += 1
        return f"canary-{kind}-{self.issued}"

    def _jwt(self) -> str:
        """Long ago by this machine's clock: only its length counts."""
        claims = {"iat": 1497988712, "exp": 1497988712 + self.life_s, "aud": self.host}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        return f"{self._new('header')}.{body}.signature"


def _no(code: str, free: str, number: int | None = None) -> dict[str, Any]:
    return {"error": code, "error_description": free} | ({"error_codes": [number]} if number else {})


def _secret(asked: Asked, *, in_header: bool) -> str | None:
    if in_header:
        return unquote_plus(_basic(asked).get(CLIENT, ""))
    return asked.said.get("client_secret") if asked.said.get("client_id") == CLIENT else None


def _basic(asked: Asked) -> dict[str, str]:
    kind, _, value = asked.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return {}
    name, _, password = base64.b64decode(value).decode().partition(":")
    return {name: password}
