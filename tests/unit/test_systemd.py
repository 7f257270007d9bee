"""What the service manager is told: real datagrams, on a path and in the abstract namespace."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """What NOTIFY_SOCKET says, and the socket there."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@edgetender-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(60)
        yield name, listening


def told(listening: socket.socket) -> list[str]:
    return listening.recv(4096).decode().split("\n")


def test_ready_alive_and_stopping_are_one_datagram_each(manager: tuple[str, socket.socket]) -> None:
    address, listening = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.alive("3 modules, version 7")
    notifier.alive("healthy")
    notifier.stopping()
    assert told(listening) == ["READY=1", "STATUS=3 modules, version 7", "WATCHDOG=1"]
    assert told(listening) == ["STATUS=healthy", "WATCHDOG=1"]
    assert told(listening) == ["STOPPING=1"]


def test_a_headline_cannot_smuggle_a_second_assignment_in(manager: tuple[str, socket.socket]) -> None:
    address, listening = manager
    Notifier({"NOTIFY_SOCKET": address}).alive("degraded\nSTOPPING=1\r\n\udcff")
    assert told(listening) == ["READY=1", "STATUS=degraded STOPPING=1 ?", "WATCHDOG=1"]


def test_without_systemd_nothing_is_said_and_nothing_fails() -> None:
    notifier = Notifier({})
    notifier.alive("")
    notifier.stopping()
    assert notifier.watchdog_s is None


def test_a_manager_that_is_gone_or_does_not_read_neither_raises_nor_blocks(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        for _ in range(1000):  # far more than a socket's queue holds
            notifier.alive("x" * 1000)


@pytest.mark.parametrize(("text", "seconds"), [("30000000", 30.0), ("", None), ("soon", None), ("-1", None)])
def test_the_watchdogs_period_is_in_seconds(text: str, seconds: float | None) -> None:
    assert Notifier({"WATCHDOG_USEC": text}).watchdog_s == seconds


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    environ = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}
    assert Notifier(environ).watchdog_s == 30.0
    assert Notifier(environ | {"WATCHDOG_PID": "1"}).watchdog_s is None


def test_the_pause_between_cycles_leaves_the_watchdog_half_of_its_time() -> None:
    assert Notifier({}).pause_s(30.0) == 30.0
    watched = Notifier({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())})
    assert (watched.pause_s(30.0), watched.pause_s(3.0)) == (10.0, 3.0)
