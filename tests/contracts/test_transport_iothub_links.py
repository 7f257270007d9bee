"""The transport over an IoT Hub, by the unmodified SDK: who the device is, and that every call of it is bounded."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.fleet.hub.access import resource_of, signature
from edgetender.fleet.hub.hub import PORT
from edgetender.fleet.hub.state import Rate
from edgetender.model.upstream import Message
from edgetender.secret import Secret
from edgetender.transports.iothub import IotHubTransport
from tests.fakes.clock import FakeClock
from tests.services.detours import Proxy, WebSocketDoor
from tests.services.far_side import Inbox, opened, settled
from tests.services.hub import TestHub
from tests.services.hub_device import connected
from tests.services.hub_side import MANIFEST, HubSide, hub_side

# --- who it is


def test_a_wrong_key_says_so_and_the_right_one_later_is_taken(iothub: HubSide) -> None:
    identity = iothub.hub._device(iothub.device).identity
    right, identity.keys = identity.keys, ()
    inbox = Inbox()
    iothub.transport.open(inbox.accept, inbox.wake)
    assert "refuses this device's credentials" in iothub.detail("refuses")
    identity.keys = right
    settled(iothub.transport, connected=True)


def test_a_refusal_while_it_comes_back_does_not_end_it_for_good(iothub: HubSide) -> None:
    opened(iothub)
    iothub.hub.wrongs.refuse = 3
    iothub.hub.disconnect(iothub.device)
    until(lambda: iothub.hub.wrongs.refuse == 0, "three refusals")
    settled(iothub.transport, connected=True)
    iothub.transport.send(Message("event/x", b"{}"), timeout_s=60)


def opened_by_certificate(iothub: HubSide) -> Any:
    """Opens as another device, which the hub knows by its certificate; returns its files."""
    hub: Any = iothub.hub
    hub.trust(hub.ca.read_text())
    hub.register("line3-x509", by_authority=True)
    pair = hub.authority.issue("line3-x509")
    iothub.device = "line3-x509"
    iothub.opened_again(
        device="line3-x509", host=hub.address, secret=None, certificate=pair.certificate, key=pair.key
    )
    return pair


def test_a_certificate_opens_too(iothub: HubSide) -> None:
    opened_by_certificate(iothub)
    iothub.transport.send(Message("event/x", b"{}"), timeout_s=60)


def test_a_certificate_that_is_renewed_while_the_link_stands_is_shown_at_once(
    iothub: HubSide, caplog: pytest.LogCaptureFixture
) -> None:
    hub: Any = iothub.hub
    pair = opened_by_certificate(iothub)
    since = iothub.transport.link().since
    other = hub.authority.issue("line3-other")  # a wrong one, so that it is seen which is shown
    pair.certificate.write_bytes(other.certificate.read_bytes())
    pair.key.write_bytes(other.key.read_bytes())
    assert "refuses" in iothub.detail("refuses")
    [why] = [record.fields["why"] for record in caplog.records if record.message == "link down"]  # type: ignore[attr-defined]
    assert "its certificate was renewed" in why
    hub.authority.issue("line3-x509")
    assert settled(iothub.transport, connected=True).since > since


def test_a_bare_key_needs_the_host_beside_it(iothub: HubSide) -> None:
    key = iothub.hub._device(iothub.device).identity.keys[1]
    iothub.opened_again(secret=Secret(key), host=iothub.hub.address)


def test_a_token_opens_until_it_expires_and_that_is_said(iothub: HubSide) -> None:
    hub = iothub.hub
    key, resource = hub._device(iothub.device).identity.keys[0], resource_of(hub.address, iothub.device)
    for valid_s in (2, 8, 32):  # to connect alone may take a busy machine longer than the first
        iothub.again(secret=Secret(signature(key, resource, int(time.time()) + valid_s)))
        inbox = Inbox()
        iothub.transport.open(inbox.accept, inbox.wake)
        assert iothub.detail("expired")
        if inbox.wakes:
            break
    assert inbox.wakes == 2  # it came up, and went down


def test_the_renewal_of_a_token_is_no_lost_link(iothub: HubSide) -> None:
    inbox = iothub.opened_again(token_s=122)  # the SDK renews 120 s before the end
    up, wakes = iothub.transport.link(), inbox.wakes
    until(lambda: iothub.hub.counts(iothub.device)[0] >= 2, "the renewal")
    settled(iothub.transport, connected=True)
    iothub.hub.desire(iothub.device, {"deployment": MANIFEST})
    until(lambda: inbox.taken, "a manifest after it")
    assert iothub.transport.link() == up
    assert inbox.wakes == wakes


def test_a_clock_that_is_not_set_is_waited_for(hub: TestHub) -> None:
    side = hub_side(hub)
    clock = FakeClock(datetime(1970, 1, 1, tzinfo=UTC))
    side.transport = IotHubTransport(side.settings, side.device, clock=clock)
    inbox = Inbox()
    side.transport.open(inbox.accept, inbox.wake)
    assert "the clock is not set yet (1970)" in side.detail("clock")
    assert hub.counts(side.device)[0] == 0
    clock.advance((datetime.now(UTC) - clock.now()).total_seconds())
    settled(side.transport, connected=True)
    side.transport.close()


def test_another_device_of_the_same_name_is_suspected(
    iothub: HubSide, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = opened(iothub)
    with connected(iothub.hub, iothub.device):  # the hub ends the connection that was there before
        until(lambda: inbox.wakes > 1, "the loss")
    settled(iothub.transport, connected=True)
    [why] = [record.fields["why"] for record in caplog.records if record.message == "link down"]  # type: ignore[attr-defined]
    assert "is there another device of this name?" in why


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secret": None}, "neither a certificate nor a key"),
        ({"secret": Secret("HostName=h;SharedAccessKey=hunter2")}, "cannot use"),
        ({"secret": Secret("HostName=h;DeviceId=d;SharedAccessKey=hunter2")}, "cannot use"),
        ({"proxy": "proxy.example:3128"}, "is no proxy"),
        ({"ca": None}, "certificate verify failed"),
    ],
)
def test_what_cannot_work_says_what_is_wrong_and_is_tried_again(
    iothub: HubSide, changes: dict[str, Any], says: str
) -> None:
    iothub.again(**changes)
    inbox = Inbox()
    iothub.transport.open(inbox.accept, inbox.wake)
    assert "hunter2" not in iothub.detail(says)


# --- the way there


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_proxy_passes_it_on(iothub: HubSide, kind: str) -> None:
    with Proxy(kind) as proxy:
        inbox = iothub.opened_again(proxy=proxy.address)
        iothub.publish(json.dumps(MANIFEST).encode())
        until(lambda: inbox.taken, "the manifest")
        assert proxy.passed == [f"{iothub.hub.address}:{PORT}"]


def test_websockets_take_port_443(iothub: HubSide) -> None:
    try:
        door = WebSocketDoor(iothub.hub)
    except PermissionError:
        pytest.skip("port 443 is not for this user: net.ipv4.ip_unprivileged_port_start")
    with door:
        inbox = iothub.opened_again(websockets=True)
        iothub.publish(json.dumps(MANIFEST | {"deployment": "x" * 9000}).encode())  # frames of every size
        until(lambda: inbox.taken, "the manifest")
        iothub.report(health="healthy")
        iothub.transport.send(Message("event/x", b"1" * 70_000), timeout_s=60)
        assert door.passed == ["/$iothub/websocket mqtt"]
        assert len(iothub.hub.messages(iothub.device)[0].body) == 70_000


# --- throttles


NOTHING = Rate(1e-6)


def test_a_hub_that_takes_no_more_connections_now_is_tried_again(iothub: HubSide) -> None:
    iothub.hub.throttles.connects = NOTHING
    inbox = Inbox()
    iothub.transport.open(inbox.accept, inbox.wake)
    assert "cannot connect" in iothub.detail("cannot connect")
    iothub.hub.throttles.connects = Rate(None)
    settled(iothub.transport, connected=True)
    assert iothub.hub.counts(iothub.device)[0] == 1


def test_a_twin_that_may_not_be_read_now_is_read_later(iothub: HubSide) -> None:
    iothub.hub.throttles.reads = NOTHING
    inbox = Inbox()
    iothub.transport.open(inbox.accept, inbox.wake)
    assert "429" in iothub.detail("429")
    iothub.hub.throttles.reads = Rate(None)
    settled(iothub.transport, connected=True)


def test_messages_that_are_slowed_down_arrive_all_the_same(iothub: HubSide) -> None:
    iothub.hub.throttles.messages = Rate(10)
    iothub.hub.throttles.messages.left, iothub.hub.throttles.messages.at = -10, time.monotonic()
    opened(iothub)
    for number in range(5):
        iothub.transport.send(Message("event/x", b"%d" % number), timeout_s=60)
    assert [one.body for one in iothub.hub.messages(iothub.device)] == [b"0", b"1", b"2", b"3", b"4"]


# --- every call is bounded


def test_a_twin_that_is_not_handed_out_is_asked_for_again_on_a_new_connection(iothub: HubSide) -> None:
    iothub.hub.wrongs.mute_reads = 2
    iothub.opened_again(answer_s=0.5)
    assert iothub.hub.wrongs.mute_reads == 0
    assert iothub.hub.counts(iothub.device)[0] >= 3  # more where an answer takes longer than that


def test_a_write_without_an_answer_ends_the_connection(iothub: HubSide) -> None:
    opened(iothub)
    iothub.hub.wrongs.reported_delay_s = 5
    with pytest.raises(LinkDown, match=r"no answer within 0\.5 s"):
        iothub.transport.send(Message("reported", b'{"health": "healthy"}', retain=True), timeout_s=0.5)
    iothub.hub.wrongs.reported_delay_s = 0.0
    until(lambda: iothub.hub.counts(iothub.device)[0] >= 2, "a new connection")


def test_a_message_that_the_hub_hangs_up_on_raises_and_can_be_sent_again(iothub: HubSide) -> None:
    opened(iothub)
    iothub.hub.wrongs.drop = 1
    with pytest.raises(LinkDown):
        iothub.transport.send(Message("event/x", b"{}"), timeout_s=60)
    until(lambda: iothub.hub.counts(iothub.device)[0] >= 2, "a new connection")
    settled(iothub.transport, connected=True)
    iothub.transport.send(Message("event/x", b"{}"), timeout_s=60)
    assert len(iothub.hub.messages(iothub.device)) == 1


def test_no_thread_of_the_sdk_is_left_of_connections_that_ended(iothub: HubSide) -> None:
    opened(iothub)
    before = threading.active_count()
    for number in range(2, 8):
        iothub.hub.disconnect(iothub.device)
        until(lambda number=number: iothub.hub.counts(iothub.device)[0] >= number, "again")
        settled(iothub.transport, connected=True)
    until(lambda: threading.active_count() <= before + 2, "threads ended")
