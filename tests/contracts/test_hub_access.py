"""The local hub: whom does it let in, and on whom does it hang up?"""

from __future__ import annotations

from typing import Any

import pytest

from demo.parts.waiting import until
from tests.services.hub import TestHub
from tests.services.hub_device import HubDevice, connected

C2D = "devices/cam7/messages/devicebound/"


# --- who may connect


def test_either_key_opens_and_no_other(hub: TestHub) -> None:
    first, second = hub.register("cam7").keys
    for key, code in ((first, 0), (second, 0), (hub.register("cam8").keys[0], 5)):
        with connected(hub, key=key) as cam:
            assert cam.code == code


@pytest.mark.parametrize(
    "options",
    [
        {"expires_in": -1},
        {"username": "127.0.0.1/cam8/?api-version=2019-10-01"},
        {"username": "127.0.0.1/cam7"},
        {"username": "127.0.0.1/cam7/?DeviceClientType=x"},
    ],
)
def test_what_is_signed_wrongly_or_for_another_is_refused(hub: TestHub, options: Any) -> None:
    with connected(hub, **options) as cam:
        assert cam.code == 5
        assert cam.hung_up()


def test_a_device_that_nobody_registered_is_refused(hub: TestHub) -> None:
    key = hub.register("cam7").keys[0]
    with HubDevice(hub.address, "stranger", key=key, ca=hub.ca) as stranger:
        assert stranger.code == 5


def test_a_certificate_that_an_authority_signed_for_this_name_opens(hub: TestHub) -> None:
    hub.trust(hub.ca.read_text())
    hub.register("cam7", by_authority=True)
    for name, code in (("cam7", 0), ("cam8", 5)):
        pair = hub.authority.issue(name)
        with HubDevice(hub.address, "cam7", ca=hub.ca, certificate=pair) as cam:
            assert cam.code == code
    with HubDevice(hub.address, "cam7", ca=hub.ca) as without:
        assert without.code == 5


def test_the_token_s_end_is_the_connection_s(hub: TestHub) -> None:
    for valid_s in (1, 4, 16):  # to connect alone may take a busy machine longer than the first
        with connected(hub, expires_in=valid_s) as cam:
            assert cam.hung_up()
        if cam.code == 0:
            break
    assert cam.code == 0


def test_of_two_connections_of_one_id_the_newer_one_lives(hub: TestHub, cam: HubDevice) -> None:
    with connected(hub) as newer:
        assert cam.hung_up()
        newer.listen()
        assert newer.twin()[0] == 200
        assert hub.is_connected("cam7")


def test_silence_for_one_and_a_half_keepalives_ends_it(hub: TestHub) -> None:
    for keepalive_s in (1, 4, 16):  # a busy machine may be silent for longer than the first
        with connected(hub, keepalive=keepalive_s) as cam:
            cam.write(0xC0, b"")
            answer = cam.read()
            assert cam.hung_up()
        if answer is not None:
            break
    assert answer is not None
    assert answer.head == 0xD0


# --- what hangs up


@pytest.mark.parametrize(
    "topic",
    [
        "devices/cam8/messages/events/",
        "edgetender/v1/cam7/reported",
        "$iothub/twin/PATCH/properties/desired/",
    ],
)
def test_an_unknown_topic_is_answered_by_hanging_up(cam: HubDevice, topic: str) -> None:
    cam.publish(topic, b"{}")
    assert cam.hung_up()


@pytest.mark.parametrize("topic", ["#", "$iothub/#", "devices/cam8/messages/devicebound/#"])
def test_so_is_an_unknown_subscription(cam: HubDevice, topic: str) -> None:
    assert cam.subscribe(topic) == b""
    assert cam.hung_up()


def test_qos_2_is_granted_as_1_and_hung_up_on_when_used(cam: HubDevice) -> None:
    assert cam.subscribe(f"{C2D}#", qos=2) == b"\1"
    cam.tell(b"x", qos=2)
    assert cam.hung_up()


def test_a_message_beyond_256_kib_is_hung_up_on(hub: TestHub, cam: HubDevice) -> None:
    cam.tell(b"x" * 256 * 1024)
    until(lambda: hub.messages("cam7"), "the largest that may be")
    cam.tell(b"x" * (256 * 1024 + 1))
    assert cam.hung_up()
    assert len(hub.messages("cam7")) == 1
