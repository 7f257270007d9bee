"""Logs and bundles on their way to a store over HTTPS: what arrives there, and what GetTaskStatus says meanwhile."""

from __future__ import annotations

import gzip
import io
import ssl
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from demo.parts.identities import Authority
from demo.parts.waiting import until
from edgetender.commands.answering import DeviceCommands
from edgetender.commands.once import Once
from edgetender.commands.uploads import Uploads
from edgetender.config.settings import ApiSettings, CredentialsSettings, Settings, TransportSettings
from tests.builders import answers
from tests.fakes.clock import FakeClock
from tests.fakes.house import FakeHouse
from tests.services.api import served


class Store(ThreadingHTTPServer):
    """Keeps what is put there; answers *code*, and waits for *open* before."""

    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), Shelf)
        pair = authority.issue("localhost", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.kept: dict[str, bytes] = {}
        self.code, self.open = 201, threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/logs?sv=1&sig=hunter2"


class Shelf(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.open.wait(20)
        assert self.headers["x-ms-blob-type"] == "BlockBlob"
        self.server.kept[self.path] = body
        self.send_response(self.server.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(Authority(tmp_path / "keys")) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture
def device(tmp_path: Path, store: Store) -> Iterator[Any]:
    house = FakeHouse()
    house.statuses = [answers.status(answers.module("scorer"), answers.module("camera"))]
    house.said = {"scorer": ["one", "two"], "camera": ["click"]}
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "hub").write_text('{"username": "", "password": "click"}')
    with served(house, tmp_path / "admin.sock"):
        settings = Settings(
            device="line3-cam7",
            transport=TransportSettings(ca=tmp_path / "keys/ca.pem"),
            api=replace(ApiSettings(), socket=tmp_path / "admin.sock"),
            credentials=CredentialsSettings(credentials),
        )
        clock = FakeClock()
        commands = DeviceCommands(
            house, "line3-cam7", Uploads(settings, clock), clock, Once(tmp_path / "commands.json")
        )
        yield lambda name, request: commands(name, request, "iothub method")


def ended(device: Any, answer: dict[str, str]) -> dict[str, str]:
    """The task's last word."""

    def look() -> Any:
        status: dict[str, str] = device("GetTaskStatus", {"correlationId": answer["correlationId"]})[1]
        return status if status["status"] not in ("NotStarted", "Running") else None

    found: dict[str, str] = until(look, "the end of the task", within_s=30)
    return found


def test_logs_arrive_one_object_for_each_module(device: Any, store: Store) -> None:
    request = {"items": [{"id": "all"}], "encoding": "gzip", "sasUrl": store.url}
    status, answer = device("UploadModuleLogs", request)
    assert status == 200
    assert ended(device, answer)["status"] == "Completed"
    at = "2026-11-24--12-00-00.log.gz?sv=1&sig=hunter2"
    assert {path: gzip.decompress(body) for path, body in store.kept.items()} == {
        f"/logs/line3-cam7/scorer-{at}": b"one\ntwo\n",
        f"/logs/line3-cam7/camera-{at}": b"click\n",
    }


def test_the_status_tells_what_is_going_on(device: Any, store: Store) -> None:
    store.open.clear()
    _, answer = device("UploadModuleLogs", {"items": [{"id": "scorer"}], "sasUrl": store.url})
    assert answer["status"] in ("NotStarted", "Running")
    asked = {"schemaVersion": "1.0", "correlationId": answer["correlationId"]}
    until(lambda: device("GetTaskStatus", asked)[1]["status"] == "Running", "running", within_s=10)
    store.open.set()
    assert ended(device, answer)["status"] == "Completed"


def test_a_store_that_says_no_is_a_failure_that_tells_no_signature(device: Any, store: Store) -> None:
    store.code = 403
    _, answer = device("UploadModuleLogs", {"items": [{"id": "scorer"}], "sasUrl": store.url})
    last = ended(device, answer)
    assert last["status"] == "Failed"
    assert "403" in last["message"]
    assert "hunter2" not in last["message"]


def test_a_support_bundle_arrives_without_the_device_s_passwords(device: Any, store: Store) -> None:
    _, answer = device("UploadSupportBundle", {"schemaVersion": "1.0", "sasUrl": store.url, "since": "1d"})
    assert ended(device, answer)["status"] == "Completed"
    [(path, body)] = store.kept.items()
    assert path.startswith("/logs/line3-cam7/support-bundle-2026-11-24--12-00-00.tar.gz?")
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        names = {member.name for member in archive}
        log = archive.extractfile("line3-cam7/logs/camera.log")
        assert log is not None
        assert log.read() == b"***\n"
    assert "line3-cam7/status.json" in names


@pytest.mark.parametrize(
    "asked", [{"since": 3.5}, {"since": "soon"}, {"until": []}, {"edgeRuntimeOnly": "no"}]
)
def test_what_no_bundle_can_be_made_of_is_refused(device: Any, store: Store, asked: Any) -> None:
    status, answer = device("UploadSupportBundle", {"sasUrl": store.url} | asked)
    assert status == 400
    assert next(iter(asked)) in answer["message"]


def test_a_bundle_of_the_runtime_alone_has_no_module_s_log(device: Any, store: Store) -> None:
    asked = {"since": "2d", "until": "2026-11-24T00:00:00Z", "edgeRuntimeOnly": True, "sasUrl": store.url}
    assert ended(device, device("UploadSupportBundle", asked)[1])["status"] == "Completed"
    with tarfile.open(fileobj=io.BytesIO(next(iter(store.kept.values())))) as archive:
        assert not [member.name for member in archive if "/logs/" in member.name]
