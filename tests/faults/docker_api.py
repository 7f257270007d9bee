"""An engine behind a unix socket that speaks Docker's API, as far as the daemon asks, and forgets nothing.

Containers start at once and answer at 127.0.0.1, `/ready` well and `/never` badly; images come from a registry
of its own. Each change is one line of `history`. A test may have something done before or after the n-th
change: a kill, above all.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socketserver
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.faults.docker_world import DOCKER, Cut, Held, digest

_NEVER = "0001-01-01T00:00:00Z"


class ScriptedEngine(Held):
    """Answers at *socket* until closed."""

    def __init__(self, socket: Path) -> None:
        super().__init__()
        self._ready = _TcpServer(("127.0.0.1", 0), _ready(self))
        self.port = self._ready.server_port
        self._api = UnixServer(str(socket), _api(self))
        for server in (self._ready, self._api):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.ended.set()
        self.silent.clear()
        with self.lock:
            for listener in self.listeners:
                listener.put(None)
        for server in (self._api, self._ready):
            server.shutdown()
            server.server_close()


class _Patient(socketserver.ThreadingMixIn):
    """Daemons are killed while they wait for an answer: that is what this is for."""

    daemon_threads = True
    request_queue_size = 64

    def finish_request(self, request: Any, client_address: Any) -> None:
        with contextlib.suppress(Cut, OSError):
            super().finish_request(request, client_address)  # type: ignore[misc]


class UnixServer(_Patient, socketserver.UnixStreamServer):
    pass


class _TcpServer(_Patient, HTTPServer):
    pass


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False
    engine: ClassVar[Held]

    def answer(self, status: int, document: Any = None, *, kind: str = "application/json") -> None:
        body = (
            document
            if isinstance(document, bytes)
            else b""
            if document is None
            else json.dumps(document).encode()
        )
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _ready(engine: Held) -> type[Answering]:
    class Ready(Answering):
        """The containers' own answers, and the registry's."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            if self.path.startswith("/v2/"):
                body = engine.images.get(self.path, b"{}" if self.path == "/v2/" else None)
                kind = f"{DOCKER}.distribution.manifest.v2+json"
                self.answer(200 if body is not None else 404, body if body is not None else b"{}", kind=kind)
            else:
                self.answer(200 if self.path == "/ready" else 503, {})

    return Ready


def _api(engine: Held) -> type[Answering]:  # one small method per request
    counter = itertools.count()

    class Api(Answering):
        """The requests that the daemon makes, by `<method>_<first word of the path>`."""

        def setup(self) -> None:
            super().setup()
            self.client_address = ("engine", next(counter))

        def do_GET(self) -> None:
            self._take()

        do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815  # the library's names

        def _take(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            self.body = json.loads(self.rfile.read(size) or b"{}") if size else {}
            while engine.silent.is_set() and not engine.ended.wait(0.05):
                pass
            if engine.slow_s:
                engine.ended.wait(engine.slow_s)
            parts = urlsplit(self.path)
            self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            words = [word for word in parts.path.split("/") if word and not word.startswith("v1.")]
            match (self.command, *words):
                case ("GET" | "HEAD", "_ping"):
                    self.answer(200, b"OK")
                case ("GET", "version"):
                    facts = {
                        "Version": "20.10.24",
                        "ApiVersion": "1.41",
                        "MinAPIVersion": "1.12",
                        "Arch": "amd64",
                    }
                    self.answer(200, facts)
                case ("GET", "info"):
                    self.answer(200, {"DockerRootDir": "/", "MemTotal": 10**10, "Runtimes": {"runc": {}}})
                case ("GET", "events"):
                    self._events()
                case ("GET", "images", "json"):
                    found = sorted(engine.world.images)
                    self.answer(200, [{"Id": digest(name.encode()), "RepoDigests": [name]} for name in found])
                case ("POST", "images", "create"):
                    self._pull()
                case ("DELETE", "images", *name):
                    self._untag("/".join(name))
                case ("GET", "containers", "json"):
                    self._list()
                case ("POST", "containers", "create"):
                    self._create()
                case ("GET", "networks"):
                    self.answer(200, [])
                case (_, "containers", name, *more):
                    self._container(name, more)
                case _:
                    self.answer(404, {"message": f"page not found: {self.path}"})

        def _events(self) -> None:
            self.send_response(200)
            self.end_headers()
            listener = engine.listen()
            try:
                while (event := listener.get()) is not None:
                    self.wfile.write(event)
            finally:
                engine.leave(listener)
                self.close_connection = True

        def _pull(self) -> None:
            name = f"{self.query['fromImage']}@{self.query['tag']}"
            repository = self.query["fromImage"].partition("/")[2]
            if f"/v2/{repository}/manifests/{self.query['tag']}" not in engine.images:
                self.answer(404, {"message": f"manifest unknown: {name}"})
                return
            engine.change("pull", None, name, lambda: engine.world.images.add(name))
            self.answer(200, b'{"status":"Status: Downloaded newer image"}\n')
            self.close_connection = True

        def _untag(self, name: str) -> None:
            with engine.lock:
                if name not in engine.world.images:
                    self.answer(404, {"message": f"No such image: {name}"})
                    return
                engine.change("untag", None, name, lambda: engine.world.images.remove(name))
            self.answer(200, [{"Untagged": name}])

        def _list(self) -> None:
            wanted = json.loads(self.query.get("filters", "{}")).get("label", [])
            with engine.lock:
                found = [
                    {"Id": one["Id"], "Labels": one["Config"]["Labels"], "Names": [one["Name"]]}
                    for one in engine.world.containers.values()
                    if all(_has(one["Config"]["Labels"], mark) for mark in wanted)
                ]
            self.answer(200, found)

        def _create(self) -> None:
            name = "/" + self.query["name"]
            with engine.lock:
                if any(one["Name"] == name for one in engine.world.containers.values()):
                    self.answer(409, {"message": f"Conflict. The container name {name} is already in use"})
                    return
                if self.body["Image"] not in engine.world.images:
                    self.answer(404, {"message": f"No such image: {self.body['Image']}"})
                    return
                engine.world.made += 1
                made = f"{engine.world.made:064x}"
                container = {
                    "Id": made,
                    "Name": name,
                    "Config": {"Image": self.body["Image"], "Labels": self.body["Labels"]},
                    "HostConfig": self.body["HostConfig"],
                    "State": {"Status": "created", "StartedAt": _NEVER, "FinishedAt": _NEVER, "ExitCode": 0},
                    "NetworkSettings": {"Networks": {}},
                }
                engine.change(
                    "create", container, made, lambda: engine.world.containers.update({made: container})
                )
            self.answer(201, {"Id": made, "Warnings": []})

        def _container(self, name: str, more: list[str]) -> None:
            with engine.lock:
                container = engine.world.containers.get(name) or next(
                    (one for one in engine.world.containers.values() if one["Name"] == f"/{name}"), None
                )
                if container is None:
                    self.answer(404, {"message": f"No such container: {name}"})
                    return
                match (self.command, *more):
                    case ("GET", "json"):
                        self.answer(200, container)
                    case ("POST", "start"):
                        self._start(container)
                    case ("POST", "stop"):
                        self._stop(container)
                    case ("POST", "wait"):
                        self.answer(200, {"StatusCode": 0})
                    case ("DELETE",):
                        gone = container["Id"]
                        engine.change("destroy", container, gone, lambda: engine.world.containers.pop(gone))
                        self.answer(204)
                    case ("GET", "logs"):
                        self.answer(200, b"")
                    case _:
                        self.answer(404, {"message": f"page not found: {self.path}"})

        def _start(self, container: dict[str, Any]) -> None:
            state = container["State"]
            if state["Status"] == "running":
                self.answer(304)
                return
            fresh = {"Status": "running", "StartedAt": _now()}
            address = {"bridge": {"IPAddress": "127.0.0.1"}}

            def effect() -> None:
                state.update(fresh)
                container["NetworkSettings"]["Networks"] = address

            engine.change("start", container, container["Id"], effect)
            self.answer(204)

        def _stop(self, container: dict[str, Any]) -> None:
            state = container["State"]
            if state["Status"] != "running":
                self.answer(304)
                return
            ended = {"Status": "exited", "FinishedAt": _now(), "ExitCode": 0}
            engine.change("stop", container, container["Id"], lambda: state.update(ended))
            self.answer(204)

    return Api


def _has(labels: dict[str, str], mark: str) -> bool:
    name, equals, value = mark.partition("=")
    return labels.get(name) == value if equals else name in labels


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
