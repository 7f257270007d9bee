"""Which of a device's reports are answers to a push? Those that the broker had not kept before, however soon."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from demo.parts.waiting import until
from edgetender.codec import canonical
from edgetender.fleet.push import DeviceLink
from edgetender.transports.settings import MqttSettings
from tests.builders.answers import verdict
from tests.services.broker import TestBroker
from tests.services.mqtt_listener import Listener

pytestmark = pytest.mark.broker
REFUSAL = ("version", "root.not_next", "version 2 does not follow 0; bring version 1")


@pytest.fixture(params=["5", "3.1.1"])
def device(request: pytest.FixtureRequest, broker: TestBroker) -> Iterator[Listener]:
    """Runs version 14, and has said so."""
    with Listener(broker.port, f"cam-{request.param}") as device:
        device.publish("reported", report(14, verdict(200, "running")), retain=True)
        yield device


@pytest.fixture
def link(request: pytest.FixtureRequest, broker: TestBroker, device: Listener) -> Iterator[DeviceLink]:
    protocol = request.node.callspec.params["device"]
    settings = MqttSettings("127.0.0.1", broker.port, tls=False, protocol=protocol)
    with DeviceLink(settings, f"cam-{protocol}", listens=True) as link:
        yield link


def report(version: int | None, status: object) -> bytes:
    return json.dumps({"lastDesiredVersion": version, "lastDesiredStatus": status}).encode()


def pushed(link: DeviceLink, device: Listener, *answers: bytes) -> None:
    """All *answers* have come before anybody looks for one."""
    link.push(canonical({"version": 15}), timeout_s=60)
    for answer in answers:
        device.publish("reported", answer, retain=True)
    until(lambda: link._heard.qsize() == len(answers), "the answers")


def test_verdicts_that_come_at_once_are_told_in_their_order(link: DeviceLink, device: Listener) -> None:
    pushed(link, device, report(15, verdict(406, "being applied")), report(15, verdict(200, "running")))
    assert [one.code for one in link.reports(15, timeout_s=60)] == [406, 200]


def test_a_root_that_is_refused_at_once_is_told_with_its_reason(link: DeviceLink, device: Listener) -> None:
    pushed(link, device, report(None, verdict(403, "no", REFUSAL)))
    (problem,) = link.root_refusal(2, timeout_s=60) or ()
    assert problem.code == "root.not_next"


def test_what_the_broker_had_kept_counts_where_nothing_newer_comes(
    link: DeviceLink, device: Listener
) -> None:
    pushed(link, device)
    assert [one.code for one in link.reports(14, timeout_s=0.5)] == [200]
