"""Which port of the device is it, and can two of them be held at once?"""

from __future__ import annotations

import pytest

from edgetender.engine.labels import PORTS, front_labels, host_ports_of
from edgetender.model.front import PROXY, FrontPort, FrontSpec
from edgetender.model.host_port import HostPort, collide

LOOPBACK = HostPort(9000, "tcp", "127.0.0.1")


@pytest.mark.parametrize(
    ("other", "both"),
    [
        (LOOPBACK, False),
        (HostPort(9000, "tcp", "0.0.0.0"), False),
        (HostPort(9000, "tcp", "::"), False),
        (HostPort(9000), False),
        (HostPort(9000, "tcp", "10.0.0.7"), True),
        (HostPort(9000, "udp", "127.0.0.1"), True),
        (HostPort(9001, "tcp", "127.0.0.1"), True),
    ],
)
def test_two_hold_their_ports_at_once_unless_one_is_the_others(other: HostPort, both: bool):
    assert LOOPBACK.collides(other) is other.collides(LOOPBACK) is not both
    assert collide([HostPort(1), LOOPBACK], [other]) is not both


def test_a_front_carries_the_ports_it_holds_and_an_older_one_does_not_say():
    ports = (
        FrontPort(9000, 5001),
        FrontPort(9001, 5001, "udp", "::1"),
        FrontPort(9002, 80, address="0.0.0.0"),
    )
    spec = FrontSpec("web", PROXY, ports)
    assert host_ports_of(front_labels(spec, "cam7")) == spec.host_ports
    assert host_ports_of({}) is None
    assert host_ports_of({PORTS: "by hand"}) is None
