"""The hub that a person starts: what may be asked of it over HTTP, and the command as a process."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from demo.parts.process import free_alias
from demo.parts.waiting import until
from edgetender.fleet.hub.admin import answer
from edgetender.fleet.hub.hub import PORT
from tests.services.hub import TestHub
from tests.services.hub_command import ClientPair, ended, running
from tests.services.hub_device import HubDevice, connected


def asked(hub: TestHub, request: str, document: Any = None) -> tuple[int, Any]:
    method, _, target = request.partition(" ")
    return answer(hub, method, target, json.dumps(document).encode())


def test_a_desired_twin_is_merged_by_patch_and_replaced_by_put(hub: TestHub) -> None:
    hub.register("cam7/$edgeAgent")
    twin = "/twins/cam7/modules/$edgeAgent"
    status, found = asked(hub, f"PATCH {twin}", {"properties": {"desired": {"a": 1, "b": {"c": 1, "d": 2}}}})
    assert (status, found["properties"]["desired"]) == (200, {"a": 1, "b": {"c": 1, "d": 2}, "$version": 2})
    asked(hub, f"PATCH {twin}", {"properties": {"desired": {"b": {"c": None}}}})
    status, found = asked(hub, f"GET {twin}")
    assert found["properties"]["desired"] == {"a": 1, "b": {"d": 2}, "$version": 3}
    assert found["connectionState"] == "Disconnected"
    status, found = asked(hub, f"PUT {twin}", {"properties": {"desired": {"b": {"e": 1}}}})
    assert found["properties"]["desired"] == {"b": {"e": 1}, "$version": 4}
    assert hub.twin("cam7/$edgeAgent")["desired"] == found["properties"]["desired"]


def test_what_cannot_be_done_says_why(hub: TestHub) -> None:
    hub.register("cam7")
    for request, document, status, why in (
        ("GET /twins/stranger", None, 404, "no such device"),
        ("GET /elsewhere", None, 404, "GET /devices"),
        ("GET /twins/cam7/modules", None, 404, "GET /devices"),
        ("PATCH /twins/cam7", {"desired": {}}, 400, "properties"),
        ("PATCH /twins/cam7", {"properties": {"desired": {"a": "x" * 5000}}}, 400, "at most 4096"),
        ("POST /twins/cam7/methods", {"methodName": "ping"}, 404, "404103"),
        ("POST /twins/cam7/methods", {}, 400, "methodName"),
        ("GET /messages/cam7?after=x", None, 400, "invalid literal"),
    ):
        found, said = asked(hub, request, document)
        assert (found, why in str(said)) == (status, True), (request, said)


def test_messages_are_listed_from_a_number_on(hub: TestHub) -> None:
    with connected(hub) as cam:
        cam.tell(b'{"load1": 0.2}', "kind=telemetry%2Fdevice")
        cam.tell(b"\xff no JSON")
        until(lambda: len(hub.messages("cam7")) == 2, "both")
    first, second = asked(hub, "GET /messages/cam7")[1]
    assert first["body"] == {"load1": 0.2}
    assert first["properties"] == {"kind": "telemetry/device"}
    assert second["body"] == "\N{REPLACEMENT CHARACTER} no JSON"
    assert asked(hub, f"GET /messages/cam7?after={first['number']}")[1] == [second]


# --- the command


def fetched(address: str, **headers: str) -> Any:
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_the_command_is_a_hub_whose_keys_outlive_it(tmp_path: Path) -> None:
    address = free_alias(PORT)
    for _ in range(2):
        with running(tmp_path / "hub", "--device", "cam7", "--listen", address) as told:
            host, name, key = (part.partition("=")[2] for part in told["devices"]["cam7"].split(";"))
            assert (host, name) == (address, "cam7")
            with HubDevice(address, "cam7", key=key, ca=told["ca"]) as cam:
                assert cam.code == 0
                [seen] = fetched(f"{told['admin']}/devices")
                assert seen == {"deviceId": "cam7", "connectionState": "Connected"}
    kept = tmp_path / "hub"
    assert {one.name: one.stat().st_mode & 0o077 for one in kept.iterdir() if one.name != "ca.pem"} == {
        "ca.key": 0, "server.pem": 0, "devices.json": 0,
    }  # fmt: skip
    assert json.loads((kept / "devices.json").read_text())["cam7"][0] == key


def test_devices_come_with_certificates_and_by_enrolments_that_outlive_it_too(tmp_path: Path) -> None:
    address, keys = free_alias(PORT), set()
    words = ("--x509", "cam8", "--enroll", "cam9", "--enroll-x509", "cam10", "--enroll-group")
    for _ in range(2):
        with running(tmp_path / "hub", *words, "--listen", address) as told:
            own, other = (ClientPair(**told["certificates"][name]) for name in ("cam8", "cam10"))
            for shown, code in ((own, 0), (other, 5), (None, 5)):
                with HubDevice(address, "cam8", ca=told["ca"], certificate=shown) as cam:
                    assert cam.code == code
            service = told["provisioning"]
            assert (service["host"], service["idScope"]) == (address, "0ne00000001")
            keys.add((service["groupKey"], service["enrollments"]["cam9"]))
    assert len(keys) == 1
    open_to_others = {one.name for one in (tmp_path / "hub").iterdir() if one.stat().st_mode & 0o077}
    assert open_to_others == {"ca.pem"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "nobody may connect"),
        (("--x509", "../cam7"), "no name of a device"),
        (("--device", "cam7", "--x509", "cam7"), "twice"),
        (("--device", "cam7", "--enroll", "cam7"), "twice"),
    ],
)
def test_what_makes_no_devices_is_refused_before_anything_is_written(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    code, said = ended(tmp_path / "hub", *words)
    assert (code, why in said) == (2, True), said
    assert not (tmp_path / "hub").exists()


def test_it_listens_to_no_web_page(tmp_path: Path) -> None:
    with (
        running(tmp_path / "hub", "--device", "cam7", "--listen", free_alias(PORT)) as told,
        pytest.raises(urllib.error.HTTPError, match="403") as refused,
    ):
        fetched(f"{told['admin']}/twins/cam7", Origin="https://elsewhere.example")
    refused.value.close()
