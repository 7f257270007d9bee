"""What every Transport keeps: on the fake, a folder, MQTT 5, 3.1.1 and the fallback between them, an IoT Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.model.upstream import Message
from tests.services.far_side import (
    FakeSide,
    FarSide,
    FolderSide,
    Inbox,
    has_azure_sdk,
    in_background,
    mqtt_side,
    opened,
    settled,
)
from tests.services.hub_side import hub_side

MANIFEST = b'{"kind": "Deployment", "version": 7}'  # bytes arrive as they were sent, spaces and all
LONGER_THAN_ANY_TEST_S = 3600.0
REPORT = json.dumps({"health": "healthy"}).encode()


KINDS = ["fake", "folder", "mqtt-5", "mqtt-3.1.1", "mqtt-auto"]


@pytest.fixture(params=[*KINDS, *(["iothub"] if has_azure_sdk() else [])])  # see test_transport_azure.py
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FarSide]:
    kind, _, protocol = request.param.partition("-")
    if kind == "mqtt":
        with mqtt_side(request.getfixturevalue("broker").port, protocol) as side:
            yield side
        return
    if kind == "iothub":
        hub = request.getfixturevalue("hub")
        far: FarSide = hub_side(hub)
    else:
        far = FakeSide() if kind == "fake" else FolderSide(tmp_path / "stick")
    yield far
    far.transport.close()


def pass_on(far: FarSide) -> None:
    """Return once what this side has acknowledged so far is known on the other.

    The first message's answer is handled after the acknowledgement was queued, the second is queued behind it.
    """
    for _ in range(2):
        far.transport.send(Message("event/mark", b"{}"), timeout_s=60)


def test_a_link_is_down_until_it_is_opened_then_up_with_the_moment_it_came_up(far: FarSide) -> None:
    before = far.transport.link()
    assert not before.connected
    opened(far)
    link = far.transport.link()
    assert link.connected
    assert link.since is not None
    assert before.since is not None
    assert link.since >= before.since
    assert (link.endpoint, link.detail) == (before.endpoint, "")


def test_a_manifest_arrives_as_the_bytes_that_were_sent(far: FarSide) -> None:
    inbox = opened(far)
    far.publish(MANIFEST)
    inbox.wait(MANIFEST)
    assert inbox.offered == [MANIFEST]


@pytest.mark.parametrize("failure", [False, RuntimeError("the disk is gone")])
def test_what_was_not_accepted_comes_again_and_what_was_accepted_does_not(
    far: FarSide, failure: bool | Exception
) -> None:
    inbox = opened(far, failure)
    far.publish(MANIFEST)
    until(lambda: inbox.offered, "the first offer")
    far.offer_again()
    inbox.wait(MANIFEST)
    pass_on(far)
    far.go_away()
    settled(far.transport, connected=False)
    far.come_back()
    settled(far.transport, connected=True)
    pass_on(far)
    far.publish(b'{"version": 8}')
    inbox.wait(b'{"version": 8}')
    assert inbox.offered == [MANIFEST, MANIFEST, b'{"version": 8}']


def test_an_exception_from_accept_does_not_end_the_link_for_good(far: FarSide) -> None:
    inbox = opened(far, ValueError("a bug"))
    far.publish(MANIFEST)
    until(lambda: inbox.offered, "the first offer")
    far.offer_again()
    inbox.wait(MANIFEST)
    settled(far.transport, connected=True)
    far.transport.send(Message("event/applied", REPORT), timeout_s=60)


def test_send_returns_when_the_far_side_has_it(far: FarSide) -> None:
    opened(far)
    far.transport.send(Message("reported", REPORT, retain=True), timeout_s=60)
    far.transport.send(Message("event/applied", REPORT), timeout_s=60)
    for topic in ("reported", "event/applied"):
        # the broker has it when it acknowledges; that it passed it on as well is a matter of milliseconds
        assert until(lambda topic=topic: far.heard(topic), topic) == [REPORT]


def test_send_while_the_link_is_down_fails_at_once(far: FarSide) -> None:
    message = Message("event/applied", REPORT)
    with pytest.raises(LinkDown):
        far.transport.send(message, timeout_s=LONGER_THAN_ANY_TEST_S)
    opened(far)
    far.go_away()
    settled(far.transport, connected=False)
    with pytest.raises(LinkDown):
        far.transport.send(message, timeout_s=LONGER_THAN_ANY_TEST_S)
    assert far.heard("event/applied") == []


def test_the_loop_is_woken_when_the_link_comes_up_and_when_it_goes_down(far: FarSide) -> None:
    inbox = opened(far)
    until(lambda: inbox.wakes == 1, "the wake")
    far.go_away()
    until(lambda: inbox.wakes == 2, "the wake")
    far.come_back()
    until(lambda: inbox.wakes == 3, "the wake")
    up, down, again = inbox.links
    assert [link.connected for link in inbox.links] == [True, False, True]
    assert (up.detail, bool(down.detail), again.detail) == ("", True, "")


def test_close_ends_the_link_soon_and_may_be_called_again(far: FarSide) -> None:
    opened(far)
    far.transport.close()
    assert not far.transport.link().connected
    with pytest.raises(LinkDown):
        far.transport.send(Message("event/applied", REPORT), timeout_s=LONGER_THAN_ANY_TEST_S)
    far.transport.close()


def test_one_that_was_never_opened_can_be_closed(far: FarSide) -> None:
    far.transport.close()
    assert not far.transport.link().connected


def test_close_during_the_attempt_to_connect_is_prompt(far: FarSide) -> None:
    far.go_away()
    inbox = Inbox()
    far.transport.open(inbox.accept, inbox.wake)
    closing, outcome = in_background(far.transport.close)
    closing.join(60)
    assert outcome == [None]
