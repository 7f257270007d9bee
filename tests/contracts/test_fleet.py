"""The whole fleet as people, Prometheus and scripts see it: from what devices say, and from a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.parts.waiting import until
from edgetender.clock import rfc3339
from edgetender.fleet.devices import Fleet
from edgetender.fleet.exposition import exposition
from edgetender.fleet.listening import Listener
from edgetender.fleet.overview import overview
from edgetender.secret import Secret
from edgetender.transports.mqtt_connection import Connection
from edgetender.transports.publication import Party, Publication
from edgetender.transports.settings import MqttSettings
from tests.fakes.clock import NOON, FakeClock
from tests.services.prometheus import promtool

AGENT = Path(__file__).parents[2] / "agent"
ONLINE = {"state": "online", "session": "1", "agent": "0.1.0", "ts": rfc3339(NOON)}
REPORTED = {
    "device": "cam7", "agent": "0.1.0", "health": "degraded", "lastDesiredVersion": 15,
    "lastDesiredStatus": {"code": 406, "description": "applying", "problems": []}, "accepted": {"version": 14},
    "modules": {"scorer": {"state": "running", "ready": True}, "ocr": {"state": "pulling", "ready": False}},
}  # fmt: skip


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(FakeClock())


def say(fleet: Fleet, device: str, kind: str, document: object) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    assert fleet.take(f"edgetender/v1/{device}/{kind}", body)


def told(fleet: Fleet) -> bytes:
    return exposition(fleet.devices(), connected=fleet.connected)


def lines(fleet: Fleet) -> list[str]:
    return [line for line in told(fleet).decode().splitlines() if not line.startswith("#")]


def test_each_device_is_told_with_its_health_its_versions_and_its_modules(fleet: Fleet) -> None:
    say(fleet, "cam7", "status", ONLINE)
    say(fleet, "cam7", "reported", REPORTED)
    say(fleet, "cam8", "status", ONLINE | {"state": "offline"})
    fleet.connected = True
    assert lines(fleet) == [
        "edgetender_fleet_broker_connected 1.0",
        'edgetender_fleet_device_online{device="cam7"} 1.0',
        'edgetender_fleet_device_online{device="cam8"} 0.0',
        f'edgetender_fleet_heard_timestamp_seconds{{device="cam7"}} {NOON.timestamp()!r}',
        f'edgetender_fleet_heard_timestamp_seconds{{device="cam8"}} {NOON.timestamp()!r}',
        'edgetender_fleet_device_health{device="cam7",health="degraded"} 1.0',
        'edgetender_fleet_agent_info{device="cam7",agent="0.1.0"} 1.0',
        'edgetender_fleet_desired_version{device="cam7"} 15.0',
        'edgetender_fleet_desired_status{device="cam7"} 406.0',
        'edgetender_fleet_accepted_version{device="cam7"} 14.0',
        'edgetender_fleet_module_state{device="cam7",module="scorer",state="running"} 1.0',
        'edgetender_fleet_module_state{device="cam7",module="ocr",state="pulling"} 1.0',
        'edgetender_fleet_module_ready{device="cam7",module="scorer"} 1.0',
        'edgetender_fleet_module_ready{device="cam7",module="ocr"} 0.0',
    ]
    promtool("check", "metrics", stdin=told(fleet))


def test_a_device_that_is_cleared_is_gone(fleet: Fleet) -> None:
    say(fleet, "cam7", "status", ONLINE)
    say(fleet, "cam7", "status", b"")
    assert not any("cam7" in line for line in lines(fleet))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("reported", b"\xff"), ("reported", b"[]"), ("status", b"null"), ("reported", b"[" * 100_000),
        ("reported", b'{"lastDesiredStatus": 7, "accepted": [], "modules": {"a": 1}}'),
        ("reported", b'{"lastDesiredVersion": true, "modules": []}'),
        ("desired", b"{}"), ("telemetry/device", b"{}"),
    ],
)  # fmt: skip
def test_whatever_is_said_breaks_nothing(fleet: Fleet, kind: str, body: bytes) -> None:
    say(fleet, "cam7", kind, body)
    promtool("check", "metrics", stdin=told(fleet))


def test_a_name_with_quotes_stays_one_label(fleet: Fleet) -> None:
    say(fleet, 'a"b\\c', "status", ONLINE)
    assert 'device="a\\"b\\\\c"' in told(fleet).decode()
    promtool("check", "metrics", stdin=told(fleet))


@pytest.fixture
def settings(broker) -> MqttSettings:
    return MqttSettings(
        broker.host, broker.port, tls=False, username=broker.user, password=Secret(broker.password)
    )


class Devices:
    """What devices publish, by one connection."""

    def __init__(self, settings: MqttSettings) -> None:
        self._up = threading.Event()
        self._connection = Connection(
            settings,
            5,
            Party("devices", keeps_session=False),
            on_up=lambda _: self._up.set(),
            on_message=lambda *_: True,
        )
        self._thread = threading.Thread(target=self._connection.run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(60)
        return self

    def say(self, device: str, kind: str, document: object) -> None:
        body = json.dumps(document).encode()
        self._connection.publish(
            Publication(f"edgetender/v1/{device}/{kind}", body, retain=True), timeout_s=10
        )

    def __exit__(self, *_: object) -> None:
        self._connection.leave(None, timeout_s=0)
        self._thread.join(60)


@pytest.mark.broker
def test_it_hears_what_is_retained_and_what_changes_and_says_when_it_is_deaf(broker, settings, fleet) -> None:
    said: list[str] = []
    with Listener(settings, fleet, said.append) as listener:
        with Devices(settings) as devices:
            devices.say("cam7", "status", ONLINE)
            until(lambda: 'device_online{device="cam7"} 1.0' in told(fleet).decode(), "cam7")
            devices.say("cam8", "reported", REPORTED)
            until(lambda: 'accepted_version{device="cam8"} 14.0' in told(fleet).decode(), "cam8")
        broker.kill()
        until(lambda: "broker_connected 0.0" in told(fleet).decode(), "the loss")
        assert 'device_online{device="cam7"} 1.0' in told(fleet).decode()  # the last word that is known
    assert not listener.works
    assert said


def shell(*words: str, password: str = "") -> subprocess.Popen[str]:
    environ = os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_BROKER_PASSWORD": password}
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", "fleet", *words]
    return subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.broker
@pytest.mark.parametrize("name", ["serve", "exporter"])
def test_the_command_serves_the_fleet_until_it_is_ended(broker, settings, name) -> None:
    words = (name, *at(broker), "--listen", "127.0.0.1:0")
    with Devices(settings) as devices:
        devices.say("cam7", "reported", REPORTED)
    with shell(*words, password=broker.password) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        until(
            lambda: b'module_ready{device="cam7"' in urllib.request.urlopen(f"{address}metrics").read(),
            "cam7",
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.broker
def test_the_command_says_how_all_are_and_whether_all_are_well(broker, settings) -> None:
    with Devices(settings) as devices:
        devices.say("cam7", "reported", REPORTED)
        devices.say("cam8", "status", ONLINE | {"state": "offline"})
        devices.say("cam8", "reported", REPORTED)
    code, out, err = ended(shell("status", *at(broker), "--exit-code", password=broker.password))
    assert code == 7, err
    head, _, heads, *rows = out.splitlines()
    assert head == "2 devices: 1 offline, 1 degraded  ·  version 14 on 2"
    assert heads.split() == ["DEVICE", "HEALTH", "VERSION", "AGENT", "SINCE", "MODULES"]
    assert [row.split()[0] for row in rows] == ["cam8", "cam7"]
    assert "14 → 15 (406)" in rows[1]
    assert "ocr pulling, scorer running" in rows[1]


def test_a_broker_that_does_not_answer_is_said_with_its_own_exit_code() -> None:
    code, out, err = ended(shell("status", "--broker", "mqtt://127.0.0.1:1", "--wait", "1s"))
    assert (code, out) == (3, "")
    assert "127.0.0.1:1" in err


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("x", "write it like 127.0.0.1:9787"),
        ("127.0.0.1:65536", "write it like 127.0.0.1:9787"),
        ("192.0.2.1:1", "192.0.2.1:1: Cannot assign requested address; choose another with --listen"),
    ],
)
def test_an_address_that_is_none_or_taken_is_explained(listen: str, said: str) -> None:
    code, _, err = ended(shell("serve", "--broker", "mqtt://127.0.0.1:1", "--listen", listen))
    assert code in (1, 2)
    assert said in err


def at(broker) -> tuple[str, ...]:
    return "--broker", f"mqtt://127.0.0.1:{broker.port}", "--username", broker.user


def test_those_to_look_at_come_first_each_with_its_trouble(fleet: Fleet) -> None:
    well = REPORTED | {"health": "healthy", "modules": {"scorer": {"state": "running"}}}
    refused = well | {"lastDesiredStatus": {"code": 400, "description": "it has 5 faults"}}
    waits = {"ocr": {"state": "waiting", "why": "no image"}}
    say(fleet, "well", "reported", well)
    say(fleet, "gone", "status", ONLINE | {"state": "offline"})
    say(fleet, "new", "status", ONLINE)
    say(fleet, "bad", "reported", REPORTED | {"modules": waits})
    say(fleet, "told", "reported", refused)
    found = overview(fleet.devices(), connected=True)
    assert [(one["name"], one["health"], one["trouble"]) for one in found["devices"]] == [
        ("gone", "offline", ""),
        ("bad", "degraded", "ocr: no image"),
        ("new", "unknown", ""),
        ("told", "healthy", "version 15: it has 5 faults"),
        ("well", "healthy", ""),
    ]
    assert found["health"] == {"healthy": 2, "offline": 1, "degraded": 1, "unknown": 1}


@given(
    st.dictionaries(
        st.sampled_from(list(REPORTED)),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda deep: st.lists(deep) | st.dictionaries(st.text(max_size=5), deep),
        ),
    )
)
def test_whatever_a_device_reports_it_has_one_row(document: dict[str, object]) -> None:
    fleet = Fleet(FakeClock())
    say(fleet, "cam7", "reported", document)
    found = overview(fleet.devices(), connected=True)
    assert [one["name"] for one in found["devices"]] == ["cam7"]
    assert sum(found["health"].values()) == 1
