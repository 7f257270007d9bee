"""What may a person ask of the local hub? Over HTTP, with the paths and documents of IoT Hub's own service API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from edgetender.errors import NotFound
from edgetender.fleet.hub.hub import DeviceOffline, LocalHub
from edgetender.fleet.hub.state import Received
from edgetender.fleet.hub.twin import TwinRefused

_MOST_BYTES = 256 * 1024
_METHOD_S, _MOST_METHOD_S = 30.0, 300.0
Answer = tuple[int, Any]


def answer(hub: LocalHub, method: str, target: str, body: bytes) -> Answer:
    """Status and JSON document.

    | request | body, or answer |
    |---|---|
    | `GET /devices` | every device and module |
    | `POST /devices/query` | the twin of every device, whatever is asked |
    | `GET /twins/{device}[/modules/{module}]` | its twin |
    | `PATCH` or `PUT` there | `{"properties": {"desired": {…}}}`, merged or instead of what is there |
    | `POST …/methods` | `{"methodName", "payload", "responseTimeoutInSeconds"}` → `{"status", "payload"}` |
    | `GET /messages/{device}?after=N` | what it said, with a rising number |
    | `POST /messages/{device}` | the bytes are queued for it |
    """
    try:
        return _answer(hub, method, target, body)
    except NotFound as error:
        return 404, {"message": str(error)}
    except TwinRefused as refusal:
        return refusal.status, {"message": str(refusal)}
    except DeviceOffline as error:
        return (504 if "504101" in str(error) else 404), {"message": str(error)}
    except KeyError as missing:
        return 400, {"message": f"cannot read the request: {missing} is missing"}
    except (ValueError, TypeError, AttributeError) as error:
        return 400, {"message": f"cannot read the request: {error}"}


def _answer(hub: LocalHub, method: str, target: str, body: bytes) -> Answer:
    address = urlsplit(target)
    match method, *(unquote(part) for part in address.path.strip("/").split("/")):
        case "GET", "devices":
            rows = hub.devices().items()
            return 200, [{"deviceId": name, "connectionState": _state(connected=up)} for name, up in rows]
        case "POST", "devices", "query":
            return 200, [_twin(hub, name) for name in hub.devices() if "/" not in name]
        case "GET", "twins", *names if who := _client(names):
            return 200, _twin(hub, who)
        case ("PATCH" | "PUT") as how, "twins", *names if who := _client(names):
            changes = json.loads(body)["properties"]["desired"]
            (hub.desire if how == "PATCH" else hub.replace_desired)(who, changes)
            return 200, _twin(hub, who)
        case "POST", "twins", *names, "methods" if who := _client(names):
            return 200, _called(hub, who, json.loads(body))
        case "GET", "messages", *names if who := _client(names):
            after = int(parse_qs(address.query).get("after", ["0"])[0])
            return 200, [_message(one) for one in hub.messages(who) if one.number > after]
        case "POST", "messages", *names if who := _client(names):
            hub.send(who, body)
            return 204, None
    return 404, {"message": "GET /devices, /twins/{device}, /messages/{device}; see the how-to page"}


def _client(names: list[str]) -> str:
    """`cam7` or `cam7/scorer`; nothing for what is neither."""
    match names:
        case [device]:
            return device
        case [device, "modules", module]:
            return f"{device}/{module}"
    return ""


def _twin(hub: LocalHub, who: str) -> dict[str, Any]:
    connected = hub.is_connected(who)
    return {"deviceId": who, "connectionState": _state(connected=connected), "properties": hub.twin(who)}


def _state(*, connected: bool) -> str:
    return "Connected" if connected else "Disconnected"


def _called(hub: LocalHub, who: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    timeout_s = min(_MOST_METHOD_S, float(asked.get("responseTimeoutInSeconds", _METHOD_S)))
    status, payload = hub.invoke(who, str(asked["methodName"]), asked.get("payload"), timeout_s=timeout_s)
    return {"status": status, "payload": payload}


def _message(one: Received) -> dict[str, Any]:
    try:
        body = json.loads(one.body)
    except ValueError:
        body = one.body.decode(errors="replace")
    return {"number": one.number, "properties": one.properties, "body": body}


def server(hub: LocalHub, host: str, port: int) -> ThreadingHTTPServer:
    """Answers on *host*, *port*; raises OSError. Call `serve_forever`, and `shutdown` to end it.

    Whoever reaches it may do everything, so it belongs on a loopback address; what a web page sends is refused.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library calls it so
            size = int(self.headers.get("Content-Length") or 0)
            if self.headers.get("Origin"):
                status, document = 403, {"message": "not for web pages"}
            elif not 0 <= size <= _MOST_BYTES:
                status, document = 413, {"message": f"at most {_MOST_BYTES} bytes"}
            else:
                status, document = answer(hub, self.command, self.path, self.rfile.read(size))
            said = b"" if document is None else json.dumps(document).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815  # the library's names too

        def log_message(self, *_: object) -> None:
            """Who asks sees the answer."""

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made
