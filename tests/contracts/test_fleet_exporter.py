"""The whole fleet as Prometheus reads it: from what devices say, and from a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Self

import pytest

from edgetender.clock import rfc3339
from edgetender.fleet.exporter import Fleet, Listener
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


def lines(fleet: Fleet) -> list[str]:
    return [line for line in fleet.exposition().decode().splitlines() if not line.startswith("#")]


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
    promtool("check", "metrics", stdin=fleet.exposition())


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
    promtool("check", "metrics", stdin=fleet.exposition())


def test_a_name_with_quotes_stays_one_label(fleet: Fleet) -> None:
    say(fleet, 'a"b\\c', "status", ONLINE)
    assert 'device="a\\"b\\\\c"' in fleet.exposition().decode()
    promtool("check", "metrics", stdin=fleet.exposition())


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
            on_message=lambda _: True,
        )
        self._thread = threading.Thread(target=self._connection.run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(20)
        return self

    def say(self, device: str, kind: str, document: object) -> None:
        body = json.dumps(document).encode()
        self._connection.publish(
            Publication(f"edgetender/v1/{device}/{kind}", body, retain=True), timeout_s=10
        )

    def __exit__(self, *_: object) -> None:
        self._connection.leave(None, timeout_s=0)
        self._thread.join(20)


def until(look, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


@pytest.mark.broker
def test_it_hears_what_is_retained_and_what_changes_and_says_when_it_is_deaf(broker, settings, fleet) -> None:
    stopping, said = threading.Event(), []
    with Devices(settings) as devices:
        devices.say("cam7", "status", ONLINE)
        listener = Listener(settings, fleet, stopping, said.append)
        thread = threading.Thread(target=listener.work)
        thread.start()
        until(lambda: 'device_online{device="cam7"} 1.0' in fleet.exposition().decode())
        devices.say("cam8", "reported", REPORTED)
        until(lambda: 'accepted_version{device="cam8"} 14.0' in fleet.exposition().decode())
    broker.kill()
    until(lambda: "broker_connected 0.0" in fleet.exposition().decode())
    assert 'device_online{device="cam7"} 1.0' in fleet.exposition().decode()  # the last word that is known
    listener.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert said


@pytest.mark.broker
def test_the_command_serves_the_fleet_until_it_is_ended(broker, settings) -> None:
    words = [
        "fleet",
        "exporter",
        "--broker",
        f"mqtt://127.0.0.1:{broker.port}",
        "--username",
        broker.user,
        "--listen",
        "127.0.0.1:0",
    ]
    environ = os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_BROKER_PASSWORD": broker.password}
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", *words]
    with Devices(settings) as devices:
        devices.say("cam9", "reported", REPORTED)
    with subprocess.Popen(start, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[-1]
        until(lambda: b'module_ready{device="cam9"' in urllib.request.urlopen(address, timeout=5).read())
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_address_that_is_none_or_taken_is_explained(lonely_shell) -> None:
    assert "write it like 127.0.0.1:9787" in lonely_shell("--listen", "x")
    assert "choose another with --listen" in lonely_shell("--listen", "192.0.2.1:1")


@pytest.fixture
def lonely_shell():
    def run(*words: str) -> str:
        start = [
            sys.executable,
            "-c",
            "from edgetender.cli import main; main()",
            "fleet",
            "exporter",
            "--broker",
            "mqtt://127.0.0.1:1",
            *words,
        ]
        done = subprocess.run(
            start,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env=os.environ | {"PYTHONPATH": str(AGENT)},
        )
        assert done.returncode in (1, 2)
        return done.stderr

    return run
