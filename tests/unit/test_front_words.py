"""What fronts are told, and what they say: configuration, rules and figures as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from edgetender.engine.front import haproxy_config, haproxy_stats, haproxy_times, nft_rules
from edgetender.engine.front.nat import Nat
from edgetender.engine.outcomes import must_go
from edgetender.model.front import NAT, PROXY, FrontPort, FrontSpec, Member
from edgetender.model.target import ContainerSpec, HealthSpec, PublishedPort
from tests.fakes.clock import FakeClock

MEMBER = Member("ab" * 32, "10.77.0.2")
OTHER = Member("cd" * 32, "10.77.0.3")
PORTS = (
    FrontPort(6789, 5001, http=True),
    FrontPort(6790, 5001, address="::1", http=True),
    FrontPort(9000, 9001),
)
WEB = FrontSpec("web", PROXY, PORTS)

# HAProxy 2.6.12, shortened to the columns that are read
STAT = f"""\
# pxname,svname,qcur,scur,stot,econ,eresp,status,lastchg,sid,type,hrsp_5xx,ttime,addr
to5001,{MEMBER.container},0,0,100,1,2,no check,70,1000000,2,3,4,10.77.0.2:5001
to5001,{OTHER.container},1,2,300,0,0,no check,7,999999,2,0,8,10.77.0.3:5001
to9001,{MEMBER.container},0,1,1,0,0,no check,70,1000000,2,,0,10.77.0.2:9001
to9001,{OTHER.container},0,0,0,0,0,no check,7,999999,2,,0,10.77.0.3:9001
"""


def test_a_port_that_speaks_http_is_asked_again_elsewhere_and_another_is_passed_through():
    text = haproxy_config.config(WEB, MEMBER)
    fronts = text.partition("frontend on0")[2]
    assert "mode http\n  bind 127.0.0.1:6789\n" in fronts
    assert "bind [::1]:6790\n" in fronts
    http, _, tcp = fronts.partition("\nbackend to5001")[2].partition("\nbackend to9001")
    assert "retry-on conn-failure empty-response" in http
    assert "option http-buffer-request" in http, "what is passed on in pieces cannot be asked again"
    assert "mode tcp" in tcp
    assert "retry-on" not in tcp
    assert text.count("\nbackend ") == 2


def test_only_a_port_with_a_certificate_speaks_tls_and_its_container_is_told():
    encrypted = replace(PORTS[0], certificate="scoring")
    text = haproxy_config.config(
        FrontSpec("web", PROXY, (encrypted, *PORTS[1:], replace(PORTS[2], host=9002, certificate="raw"))),
        MEMBER,
    )
    first, second, third, fourth = (
        one.partition("\n  default_backend")[0] for one in text.split("\nfrontend ")[1:]
    )
    assert "  bind 127.0.0.1:6789 ssl crt /run/tls/scoring ssl-min-ver TLSv1.2 " in first
    assert "alpn http/1.1\n" in first
    assert "X-Forwarded-Proto https" in first
    assert not {"ssl", "https"} & set((second + third).split())
    assert "ssl crt /run/tls/raw " in fourth
    assert "alpn" not in fourth
    assert haproxy_config.certificates_in(text) == ("raw", "scoring")
    assert haproxy_config.certificates_in(haproxy_config.config(WEB, MEMBER)) == ()


@pytest.mark.parametrize("member", [None, MEMBER])
def test_what_is_written_down_is_read_again(member):
    assert haproxy_config.member_in(haproxy_config.config(WEB, member)) == member
    assert haproxy_config.backends_in(haproxy_config.config(WEB, member)) == ("to5001", "to9001")
    left = (nft_rules.Drained(OTHER, 17.25),) if member else ()
    text = nft_rules.rules(FrontSpec("web", NAT, PORTS), member, left)
    assert nft_rules.member_in(text) == member
    assert nft_rules.drained_in(text) == left


def test_rules_translate_each_port_once_and_replace_what_was_there():
    text = nft_rules.rules(FrontSpec("web", NAT, (*PORTS, FrontPort(53, 53, "udp"))), MEMBER)
    added = [line for line in text.splitlines() if line.startswith("add rule") and "dnat" in line]
    assert [line.rpartition("pre ")[2] for line in added] == [
        "tcp dport 5001 dnat to 10.77.0.2:5001",
        "tcp dport 9001 dnat to 10.77.0.2:9001",
        "udp dport 53 dnat to 10.77.0.2:53",
    ]
    assert text.index("flush chain ip front pre") < text.index("dnat to")
    assert nft_rules.address_in("tcp dport 5001 dnat to 10.77.0.2:5001") == "10.77.0.2"
    assert nft_rules.address_in("chain pre { }") is None
    assert nft_rules.address_in("dnat to 10.77.0.2:1 dnat to 10.77.0.3:1") is None


class Translating:
    """A front that has loaded what serves OTHER."""

    def execute(self, _command: list[str]) -> str:
        return f"tcp dport 5001 dnat to {OTHER.address}:5001"

    def pid(self, _container: str) -> int:
        return 0


def drained_for(home: Path, moved: Callable[[FakeClock], None]) -> float:
    """How long a container has been drained, once the clock was *moved* after the switch."""
    clock, spec, engine = FakeClock(), FrontSpec("web", NAT, PORTS), Translating()
    front = Nat(clock)
    front.write(home, spec, MEMBER)
    front.point(home, spec, OTHER, engine)
    moved(clock)
    left, _ = front.look(home, "run", engine).servers
    assert left.container == MEMBER.container
    return left.since_s


@pytest.mark.parametrize("years", [-10, 10])
def test_how_long_a_container_is_drained_is_no_matter_of_the_date(tmp_path: Path, years: int):
    def moved(clock: FakeClock) -> None:
        clock.advance(3)
        clock.set(clock.now() + timedelta(days=365 * years))

    assert drained_for(tmp_path, moved) == 3


def test_what_was_drained_when_the_machine_went_down_has_been_so_since_it_came_up(tmp_path: Path):
    assert drained_for(tmp_path, lambda clock: clock.reboot(clock.now())) == 20


def test_figures_are_summed_over_a_container_s_ports():
    old, new = haproxy_stats.servers(STAT)
    assert (old.container, old.address, old.receives) == (MEMBER.container, "10.77.0.2", False)
    assert (old.connections, old.since_s, old.requests, old.errors) == (1, 7.0, 101, 6)
    assert (new.receives, new.connections, new.requests, new.mean_ms) == (True, 3, 300, 8.0)
    assert old.mean_ms == pytest.approx(400 / 101)


def test_the_newest_answers_of_each_container_give_its_times():
    ring = "".join(f"{MEMBER.container[:12]} {ms}\n" for ms in [*[900] * 50, *range(1000)])
    ring += f"{MEMBER.container[:12]} -1\n{'ee' * 6} 7\nUnknown command\n\n"
    old, new = haproxy_times.timed(haproxy_stats.servers(STAT), ring)
    assert (old.p95_ms, old.timed) == (950.0, 1000)
    assert (new.p95_ms, new.timed) == (None, 0)


def test_a_switch_is_complete_when_one_container_receives_on_every_port():
    assert haproxy_stats.complete(STAT, OTHER.container, ("to5001", "to9001"))
    assert not haproxy_stats.complete(STAT, MEMBER.container, ("to5001", "to9001"))
    assert not haproxy_stats.complete(STAT, OTHER.container, ("to5001", "to9001", "to9002"))
    back = STAT.replace("no check,7,999999", "DRAIN,1,999999")
    assert haproxy_stats.complete(back, MEMBER.container, ("to5001", "to9001"))
    half = STAT.replace("no check,7,999999", "DRAIN,1,999999", 1)
    assert not haproxy_stats.complete(half, MEMBER.container, ("to5001", "to9001"))
    assert haproxy_stats.numbers(STAT) == {MEMBER.container: 1_000_000, OTHER.container: 999_999}
    assert haproxy_stats.servers("") == ()


def test_behind_a_front_the_container_does_not_depend_on_the_host_s_ports_or_the_mechanism():
    def spec(host: int, front: str) -> ContainerSpec:
        ports = (PublishedPort(host, 5001, "tcp", "127.0.0.1"),)
        return ContainerSpec("web", "cpu", "image", ports=ports, front=front, health=HealthSpec(port=5001))

    assert spec(1, PROXY).digest == spec(2, NAT).digest != spec(1, "none").digest
    assert spec(1, "none").front_spec is None
    assert spec(1, PROXY).front_spec != spec(2, PROXY).front_spec
    assert spec(1, PROXY).front_spec.ports == (FrontPort(1, 5001, http=True),)


@pytest.mark.parametrize(
    ("words", "lost"),
    [
        ("network 6561af not found", True),
        ("user specified IP address: no configured subnet contains IP address 10.77.0.2", True),
        (
            "failed to start shim: mkdir /run/containerd/io.containerd.runtime.v2.task/moby/3f: file exists: unknown",
            True,
        ),
        ("failed to start shim: fork/exec /usr/bin/containerd-shim: no such file or directory", False),
        ("driver failed programming external connectivity: port is already allocated", False),
        ("No such container: 3f", False),
    ],
)
def test_a_container_that_can_never_start_is_told_from_one_that_may(words, lost):
    assert bool(must_go(words)) == lost
