"""Logs and bundles on their way to a store over HTTPS: what arrives there, and what GetTaskStatus says meanwhile."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
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
from tests.services.blob_store import BlobStore, blob_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    with blob_store(Authority(tmp_path / "keys")) as store:
        yield store


@pytest.fixture
def device(tmp_path: Path, store: BlobStore) -> Iterator[Any]:
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

    found: dict[str, str] = until(look, "the end of the task")
    return found


def test_logs_arrive_one_object_for_each_module(device: Any, store: BlobStore) -> None:
    request = {"items": [{"id": "all"}], "encoding": "gzip", "sasUrl": store.url}
    status, answer = device("UploadModuleLogs", request)
    assert status == 200
    assert ended(device, answer)["status"] == "Completed"
    at = "2026-11-24--12-00-00.log.gz?sv=1&sig=hunter2"
    assert {path: gzip.decompress(body) for path, body in store.kept.items()} == {
        f"/logs/line3-cam7/scorer-{at}": b"one\ntwo\n",
        f"/logs/line3-cam7/camera-{at}": b"click\n",
    }


def test_the_status_tells_what_is_going_on(device: Any, store: BlobStore) -> None:
    store.open.clear()
    _, answer = device("UploadModuleLogs", {"items": [{"id": "scorer"}], "sasUrl": store.url})
    assert answer["status"] in ("NotStarted", "Running")
    asked = {"schemaVersion": "1.0", "correlationId": answer["correlationId"]}
    until(lambda: device("GetTaskStatus", asked)[1]["status"] == "Running", "running")
    store.open.set()
    assert ended(device, answer)["status"] == "Completed"


def test_a_store_that_says_no_is_a_failure_that_tells_no_signature(device: Any, store: BlobStore) -> None:
    store.code = 403
    _, answer = device("UploadModuleLogs", {"items": [{"id": "scorer"}], "sasUrl": store.url})
    last = ended(device, answer)
    assert last["status"] == "Failed"
    assert "403" in last["message"]
    assert "hunter2" not in last["message"]


def test_a_support_bundle_arrives_without_the_device_s_passwords(device: Any, store: BlobStore) -> None:
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
def test_what_no_bundle_can_be_made_of_is_refused(device: Any, store: BlobStore, asked: Any) -> None:
    status, answer = device("UploadSupportBundle", {"sasUrl": store.url} | asked)
    assert status == 400
    assert next(iter(asked)) in answer["message"]


def test_a_bundle_of_the_runtime_alone_has_no_module_s_log(device: Any, store: BlobStore) -> None:
    asked = {"since": "2d", "until": "2026-11-24T00:00:00Z", "edgeRuntimeOnly": True, "sasUrl": store.url}
    assert ended(device, device("UploadSupportBundle", asked)[1])["status"] == "Completed"
    with tarfile.open(fileobj=io.BytesIO(next(iter(store.kept.values())))) as archive:
        assert not [member.name for member in archive if "/logs/" in member.name]
