"""Whether a host port can be had, asked of the kernel."""

from __future__ import annotations

import socket

import pytest

from edgetender.host_ports import is_taken
from edgetender.model.target import PublishedPort


def port(number: int, protocol: str = "tcp", address: str = "127.0.0.1") -> PublishedPort:
    return PublishedPort(number, 5001, protocol, address)


@pytest.mark.parametrize("where", ["127.0.0.1", "0.0.0.0"])
def test_where_somebody_listens_it_is_taken_on_each_address_that_meets_his(where: str):
    with socket.create_server((where, 0)) as listening:
        number = listening.getsockname()[1]
        assert is_taken(port(number))
        assert is_taken(port(number, address="0.0.0.0"))
        assert is_taken(port(number, address="127.9.9.9")) == (where == "0.0.0.0")
        assert not is_taken(port(number, "udp"))
    assert not is_taken(port(number))


def test_a_listener_on_both_internet_protocols_is_met_too():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listening:
        assert is_taken(port(listening.getsockname()[1]))


def test_of_udp_whoever_is_bound_has_it():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        assert is_taken(port(bound.getsockname()[1], "udp"))


def test_what_only_fades_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.getsockname()[1]
        far = socket.create_connection(("127.0.0.1", number))
        near, _ = listening.accept()
        near.close()  # who closes first waits for what may still come
        far.close()
    assert not is_taken(port(number))


@pytest.mark.parametrize("odd", [port(1, address="203.0.113.9"), port(1, "sctp"), port(1, address="nowhere")])
def test_what_cannot_be_told_is_not_taken(odd: PublishedPort):
    assert not is_taken(odd)
