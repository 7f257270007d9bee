"""Which MQTT is spoken: what was demanded, or with `auto` the newest that the broker knows."""

from __future__ import annotations

import pytest

from demo.parts.waiting import until
from tests.services.broker import TestBroker
from tests.services.far_side import mqtt_side, opened, settled

pytestmark = pytest.mark.broker


def spoken(broker: TestBroker, device: str) -> list[str]:
    """The protocol of each of *device*'s connections, as the broker logs it: p5 or p2 (3.1.1)."""
    return [
        line.split("(")[1].split(",")[0]
        for line in broker.log.splitlines()
        if f" as {device} (" in line and "New client connected" in line
    ]


@pytest.mark.parametrize(("protocol", "level"), [("5", "p5"), ("3.1.1", "p2"), ("auto", "p2")])
def test_the_device_speaks_what_it_was_told_or_what_the_broker_can(
    broker: TestBroker, protocol: str, level: str
) -> None:
    with mqtt_side(broker.port, protocol) as far:
        opened(far)
        assert spoken(broker, far.device) == [level]


def test_where_both_are_known_mqtt_5_is_spoken(broker: TestBroker) -> None:
    with mqtt_side(broker.port, "auto") as far:
        far.wire.refuses_5 = ""
        opened(far)
        assert spoken(broker, far.device) == ["p5"]


def test_a_broker_that_says_it_knows_no_mqtt_5_is_not_asked_again(broker: TestBroker) -> None:
    with mqtt_side(broker.port, "auto") as far:
        opened(far)
        far.wire.cut()
        settled(far.transport, connected=False)
        far.wire.mend()
        settled(far.transport, connected=True)
        assert far.wire.refusals == 1


def test_a_broker_that_hung_up_on_mqtt_5_is_asked_again_for_it_may_only_have_been_restarting(
    broker: TestBroker,
) -> None:
    with mqtt_side(broker.port, "auto") as far:
        far.wire.refuses_5 = "hangs up"
        opened(far)
        far.wire.refuses_5 = ""
        far.wire.drop()  # a wire that stays down would hang up on MQTT 5, too
        until(lambda: len(spoken(broker, far.device)) > 1, "another connection")
        assert spoken(broker, far.device) == ["p2", "p5"]


def test_mqtt_5_demanded_of_a_broker_without_it_is_an_error_that_says_so(broker: TestBroker) -> None:
    with mqtt_side(broker.port, "5") as far:
        far.wire.refuses_5 = "says no"
        far.transport.open(lambda _body: True, lambda: None)
        until(lambda: "it speaks no MQTT 5" in far.transport.link().detail, "the reason")
