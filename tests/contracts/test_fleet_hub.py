"""The fleet of an Azure IoT Hub: read from its twins, over its service API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.parts.waiting import until
from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, LinkDown
from edgetender.fleet.devices import Fleet
from edgetender.fleet.hub.access import new_key, signed
from edgetender.fleet.hub.admin import server
from edgetender.fleet.hub_link import HubLink
from edgetender.fleet.hub_service import HubService, policy_in
from edgetender.fleet.overview import overview
from edgetender.fleet.polling import Poller, words_of
from edgetender.fleet.push import Outcome, new_traceparent
from edgetender.transports.iothub_report import Reports
from tests.contracts.test_fleet import AGENT, REPORTED, ended, shell
from tests.fakes.clock import NOON, FakeClock
from tests.services.hub import TestHub
from tests.services.hub_device import HubDevice

TRACE = new_traceparent()
MANIFEST = f"""\
schema: edgetender/v1
deployment: line3
version: 14
modules:
  scorer: {{image: "registry.example/scorer@sha256:{"ab" * 32}"}}
"""


def command(*words: str) -> subprocess.Popen[str]:
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", *words]
    environ = os.environ | {"PYTHONPATH": str(AGENT)}
    return subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)


@contextmanager
def asked_over_http(hub: TestHub) -> Iterator[str]:
    """The hub's service API, as a person's commands reach it."""
    with server(hub, "127.0.0.1", 0) as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{answering.server_port}"
        finally:
            answering.shutdown()
            thread.join(10)


class Twin:
    """What a device writes into its twin."""

    def __init__(self) -> None:
        self.reported: dict[str, Any] = {}

    def report(self, patch: Mapping[str, Any], timeout_s: float) -> None:
        self.reported |= patch


def reporting(document: Mapping[str, Any]) -> dict[str, Any]:
    """*document* as the agent's own transport writes it."""
    twin = Twin()
    Reports("", 0.0, lambda: None).send(twin, "reported", document, 1.0)
    return twin.reported


def test_a_device_on_a_hub_is_shown_as_it_would_be_on_a_broker() -> None:
    twin = {"deviceId": "cam7", "connectionState": "Connected", "lastActivityTime": rfc3339(NOON)}
    words = words_of(twin | {"properties": {"reported": reporting(REPORTED)}})
    fleet = Fleet(FakeClock())
    for kind, document in words["cam7"].items():
        fleet.take(f"edgetender/v1/cam7/{kind}", json.dumps(document).encode())
    (row,) = overview(fleet.devices(), connected=True)["devices"]
    assert {key: row[key] for key in ("name", "health", "version", "desiredVersion", "desiredCode", "modules")} == {
        "name": "cam7", "health": "degraded", "version": 14, "desiredVersion": 15, "desiredCode": 406,
        "modules": {"scorer": "running", "ocr": "pulling"},
    }  # fmt: skip
    assert row["since"] == rfc3339(NOON)


def test_devices_that_edgetender_does_not_tend_are_passed_over() -> None:
    never = {
        "deviceId": "lamp",
        "connectionState": "Disconnected",
        "lastActivityTime": "0001-01-01T00:00:00Z",
    }
    assert words_of(never | {"properties": {"reported": {"$version": 1}}}) == {}
    ours = words_of(never | {"properties": {"reported": {"agent": "0.1.0"}}})
    assert ours["lamp"]["status"] == {"state": "offline", "ts": ""}


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["deviceId", "properties", "reported", "agent", "lastActivityTime"]), one)))  # fmt: skip
def test_no_twin_is_an_exception(document: Any) -> None:
    words_of(document if isinstance(document, dict) else {"properties": document})


def test_it_follows_the_twins_and_says_when_it_is_deaf(hub: TestHub, cam: HubDevice) -> None:
    hub.register("cam7/$edgeAgent")
    fleet, said = Fleet(FakeClock()), list[str]()
    with asked_over_http(hub) as address:
        cam.report(reporting(REPORTED))
        with Poller(HubService(address, None), fleet, said.append, every_s=0.05) as poller:
            until(fleet.devices, "a device")
            assert {name: one.status["state"] for name, one in fleet.devices().items()} == {"cam7": "online"}
            assert poller.works
            cam.report({"health": "healthy"})
            until(lambda: fleet.devices()["cam7"].reported["health"] == "healthy", "its health")
            cam.report({"agent": None})
            until(lambda: not fleet.devices(), "its end")
            assert (fleet.connected, said) == (True, [])
    with Poller(HubService(address, None), fleet, said.append, every_s=0.05):
        until(lambda: said, "a complaint")
    assert "Connection refused" in said[0]
    assert not fleet.connected


def test_the_commands_ask_a_hub_where_there_is_no_broker(hub: TestHub, cam: HubDevice) -> None:
    with asked_over_http(hub) as address:
        cam.report(reporting(REPORTED))
        code, out, err = ended(shell("status", "--hub", address))
        assert (code, err) == (0, "")
        assert out.splitlines()[0] == "1 device: 1 degraded  ·  version 14 on 1"
        assert "14 → 15 (406)" in out
    assert ended(shell("status"))[0] == 2
    assert "is no hub" in ended(shell("status", "--hub", "http://hub.example"))[2]


def test_of_a_group_only_its_devices_are_shown(hub: TestHub, cam: HubDevice, tmp_path: Path) -> None:
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments/groups.json").write_text('{"line3": ["cam8"]}')
    with asked_over_http(hub) as address:
        cam.report(reporting(REPORTED))
        words = ("status", "--hub", address, "--store", str(tmp_path))
        assert ended(shell(*words, "--group", "line3"))[1] == "no device has said anything here yet\n"
        code, _, err = ended(shell(*words, "--group", "line4"))
        assert (code, "known are line3" in err) == (4, True)


def test_a_manifest_is_pushed_into_the_twin_and_the_verdict_heard_from_it(
    hub: TestHub, cam: HubDevice
) -> None:
    hub.desire("cam7", {"deployment": {"schema": "edgetender/v1", "modules": {"old": {}}}, "others": 1})
    manifest = canonical({"schema": "edgetender/v1", "deployment": "line3", "version": 15, "modules": {}})
    old = reporting(REPORTED | {"lastDesiredVersion": 14})
    cam.report(old)
    with (
        asked_over_http(hub) as address,
        HubLink(HubService(address, None), "cam7", listens=True, every_s=0.05) as link,
    ):
        link.push(manifest, timeout_s=10, traceparent=TRACE)
        desired = hub.twin("cam7")["desired"]
        assert (desired["deployment"].keys(), desired["others"]) == ({"chunks", "sha256"}, 1)
        assert json.loads("".join(desired["deployment"]["chunks"])) == json.loads(manifest) | {
            "traceparent": TRACE
        }
        told = link.reports(15, timeout_s=10)
        cam.report(reporting(REPORTED))
        assert next(told).outcome is Outcome.APPLYING
        cam.report({"lastDesiredStatus": {"code": 200, "description": "running"}})
        assert [(one.version, one.outcome) for one in told] == [(15, Outcome.RUNNING)]


def test_the_command_pushes_to_a_hub_and_says_when_it_knows_no_such_device(
    hub: TestHub, tmp_path: Path
) -> None:
    hub.register("cam7")
    (tmp_path / "line3.yaml").write_text(MANIFEST)
    with asked_over_http(hub) as address:
        words = ("push", str(tmp_path / "line3.yaml"), "--hub", address, "--to")
        code, out, err = ended(command(*words, "device:cam7"))
        assert (code, out) == (0, "cam7  line3 version 14 pushed\n"), err
        code, _, err = ended(command(*words, "device:stranger"))
        assert (code, "no such device" in err) == (1, True), err
    assert "chunks" in hub.twin("cam7")["desired"]["deployment"]


class _Paged(BaseHTTPRequestHandler):
    """Two pages for who shows the right signature; 401 for the rest."""

    key = new_key()
    heard: list[tuple[str, str]] = []  # noqa: RUF012  # of one test

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        page = self.headers.get("x-ms-continuation", "")
        self.heard.append((self.path, json.loads(said)["query"]))
        token = self.headers.get("Authorization", "")
        right = signed(token.partition("&skn=")[0], "127.0.0.1", (self.key,), time.time()) is not None
        body = json.dumps([{"deviceId": page or "first"}] if right else {"Message": "not you"}).encode()
        self.send_response(200 if right else 401)
        if right and not page:
            self.send_header("x-ms-continuation", "second")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


def test_it_shows_its_policy_s_signature_and_reads_every_page() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Paged) as answering:
        thread = threading.Thread(target=answering.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{answering.server_port}"
        known = f"HostName=hub.example;SharedAccessKeyName=service;SharedAccessKey={_Paged.key}"
        found = [one["deviceId"] for one in HubService(address, policy_in(known)).twins()]
        stranger = known.replace(_Paged.key, new_key())
        with pytest.raises(LinkDown, match="401 not you; may the policy do this"):
            list(HubService(address, policy_in(stranger)).twins())
        answering.shutdown()
        thread.join(10)
    assert found == ["first", "second"]
    assert _Paged.heard[0] == ("/devices/query?api-version=2021-04-12", "SELECT * FROM devices")


def test_a_device_s_own_connection_string_is_refused_without_being_printed() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        policy_in("HostName=hub.example;DeviceId=cam7;SharedAccessKey=canary-41c0ffee")
    assert "shared access policy" in str(refused.value)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["https://hub.example:99999", "https://hub.example:x", "https://[hub", "hub"]
)
def test_what_is_no_address_of_a_hub_is_refused_before_it_is_asked(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="is no hub: write it like"):
        HubService(address, None)


def test_a_key_that_is_not_base64_is_refused_without_being_printed() -> None:
    with pytest.raises(ConfigInvalid) as refused:
        policy_in("HostName=hub.example;SharedAccessKeyName=fleet;SharedAccessKey=canary-41c0ffee")
    assert "SharedAccessKey is no base64" in str(refused.value)
    assert "canary" not in str(refused.value)
