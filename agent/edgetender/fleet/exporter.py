"""How is the whole fleet? What all devices report, as Prometheus reads it: one target instead of a thousand."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from edgetender.clock import Clock
from edgetender.errors import LinkDown
from edgetender.transports.mqtt_connection import Connection
from edgetender.transports.publication import Party, root_topic
from edgetender.transports.refusals import ProtocolRefused
from edgetender.transports.settings import MqttSettings

SUBSCRIPTION = root_topic("+") + "/+"
_PARTS = len(SUBSCRIPTION.split("/"))
_AGAIN_S = 5.0
_MOST_DEVICES = 20_000

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one device: its `status` and its `reported` document, and when it spoke last."""

    status: Mapping[str, Any] = field(default_factory=dict)
    reported: Mapping[str, Any] = field(default_factory=dict)
    heard_at: datetime | None = None


class Fleet:
    """The newest word of every device. Threads: `take` from the connection's, `exposition` from any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._devices: dict[str, Seen] = {}
        self.connected = False

    def take(self, topic: str, body: bytes) -> bool:
        """Remember what a device said; what is no word of a device is passed over. Always True."""
        parts = topic.split("/")
        if len(parts) != _PARTS or parts[3] not in ("status", "reported"):
            return True
        name, kind = parts[2], parts[3]
        with self._lock:
            if not body:  # cleared: the device is no more
                self._devices.pop(name, None)
                return True
            document = _object(body)
            if document is None or (name not in self._devices and len(self._devices) >= _MOST_DEVICES):
                return True
            seen = self._devices.get(name, Seen())
            status, reported = (document, seen.reported) if kind == "status" else (seen.status, document)
            self._devices[name] = Seen(status, reported, self._clock.now())
        return True

    def exposition(self) -> bytes:
        """Prometheus's text format, 0.0.4."""
        with self._lock:
            devices = dict(sorted(self._devices.items()))
        lines = [line for family in _families(devices, connected=self.connected) for line in family]
        return ("\n".join(lines) + "\n").encode()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _families(devices: Mapping[str, Seen], *, connected: bool) -> Iterator[list[str]]:
    yield _gauge("broker_connected", "Whether the exporter hears the broker.", [({}, connected)])
    online = [({"device": n}, s.status.get("state") == "online") for n, s in devices.items()]
    yield _gauge("device_online", "Whether the broker calls the device online.", online)
    heard = [({"device": n}, s.heard_at.timestamp()) for n, s in devices.items() if s.heard_at]
    yield _gauge("heard_timestamp_seconds", "When the device was heard last.", heard)
    health = [
        ({"device": n, "health": str(s.reported["health"])}, 1)
        for n, s in devices.items()
        if "health" in s.reported
    ]
    yield _gauge("device_health", "1 for the word that describes the device.", health)
    agents = [
        ({"device": n, "agent": str(s.reported["agent"])}, 1)
        for n, s in devices.items()
        if "agent" in s.reported
    ]
    yield _gauge("agent_info", "Which agent runs there.", agents)
    for name, says, pick in _NUMBERS:
        values = [
            ({"device": n}, value) for n, s in devices.items() if (value := _number(s, pick)) is not None
        ]
        yield _gauge(name, says, values)
    yield from _of_modules(devices)


_NUMBERS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("desired_version", "The version sent last.", lambda r: r["lastDesiredVersion"]),
    ("desired_status", "What became of it: 200, 406, 4xx.", lambda r: r["lastDesiredStatus"]["code"]),
    ("accepted_version", "The version that is accepted.", lambda r: r["accepted"]["version"]),
)


def _number(seen: Seen, pick: Callable[[Mapping[str, Any]], Any]) -> float | None:
    try:
        value = pick(seen.reported)
    except (KeyError, TypeError):
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of_modules(devices: Mapping[str, Seen]) -> Iterator[list[str]]:
    modules = [
        ({"device": name, "module": str(module)}, said)
        for name, seen in devices.items()
        if isinstance(found := seen.reported.get("modules"), dict)
        for module, said in found.items()
        if isinstance(said, dict)
    ]
    states = [(labels | {"state": str(said.get("state"))}, 1.0) for labels, said in modules]
    yield _gauge("module_state", "1 for the state the module is in.", states)
    ready = [(labels, float(said.get("ready") is True)) for labels, said in modules]
    yield _gauge("module_ready", "Whether the module answers its readiness check.", ready)


def _gauge(name: str, says: str, samples: Samples) -> list[str]:
    full = f"edgetender_fleet_{name}"
    return [
        f"# HELP {full} {says}",
        f"# TYPE {full} gauge",
        *(f"{full}{_labels(labels)} {float(value)!r}" for labels, value in samples),
    ]


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Listener:
    """Keeps a connection to the broker until *stopping*; `work` blocks. What goes wrong is given to *say*."""

    def __init__(
        self, settings: MqttSettings, fleet: Fleet, stopping: threading.Event, say: Callable[[str], None]
    ) -> None:
        self._settings, self._fleet, self._stopping, self._say = settings, fleet, stopping, say
        self._connection: Connection | None = None
        self._level = 4 if settings.protocol == "3.1.1" else 5

    def work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except ProtocolRefused as error:
                if self._settings.protocol == "auto" and self._level != 4:  # noqa: PLR2004  MQTT 3.1.1
                    self._level = 4
                    continue
                self._say(str(error))
            except LinkDown as error:
                self._say(str(error))
            self._fleet.connected = False
            self._stopping.wait(_AGAIN_S)

    def stop(self) -> None:
        self._stopping.set()
        if self._connection is not None:
            self._connection.leave(None, timeout_s=0.0)

    def _listen(self) -> None:
        party = Party(f"edgetender-fleet-{uuid.uuid4().hex[:12]}", SUBSCRIPTION, keeps_session=False)
        Connection(
            self._settings,
            self._level,
            party,
            on_up=self._is_up,
            on_message=_unused,
            on_topic=self._fleet.take,
        ).run()

    def _is_up(self, connection: Connection) -> None:
        self._connection = connection
        self._fleet.connected = True


def _unused(_: bytes) -> bool:
    return True


def server(fleet: Fleet, host: str, port: int) -> ThreadingHTTPServer:
    """Answers `/metrics` on *host*, *port*; raises OSError. Call `serve_forever`, and `shutdown` to end it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library calls it so
            found = self.path.partition("?")[0] == "/metrics"
            body = fleet.exposition() if found else b"see /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape every 15 s is no news."""

    return ThreadingHTTPServer((host, port), Handler)
