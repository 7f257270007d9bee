"""A front that holds its socket and says nothing wakes the loop; one that is gone does not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.engine.front import watching
from edgetender.engine.front.haproxy_config import SOCKET
from edgetender.engine.front.haproxy_socket import ask
from edgetender.errors import FrontDown


@contextlib.contextmanager
def watched(home: Path) -> Iterator[threading.Event]:
    woken, stopping = threading.Event(), threading.Event()
    thread = threading.Thread(target=watching.watch, args=(home, woken.set, stopping, 0.01))
    thread.start()
    try:
        yield woken
    finally:
        stopping.set()
        thread.join(60)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    (tmp_path / "web").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "web" / SOCKET))
        listener.listen(1)
        yield listener


@pytest.mark.usefixtures("listening")
def test_one_that_accepts_nothing_wakes_it(tmp_path: Path) -> None:
    with watched(tmp_path) as woken:
        assert woken.wait(60)


def test_one_that_answers_or_is_gone_does_not(tmp_path: Path, listening: socket.socket) -> None:
    listening.settimeout(60)
    with watched(tmp_path) as woken:
        for _ in range(3):
            wire, _ = listening.accept()
            with wire:
                assert b"show version" in wire.recv(100)
                wire.sendall(b"2.6.12\n\n")
        listening.close()
        assert not woken.wait(0.3)


@pytest.mark.parametrize("home", ["there", "far" * 40], ids=["short", "long"])
def test_a_front_whose_directory_is_gone_is_down(tmp_path: Path, home: str) -> None:
    with pytest.raises(FrontDown, match="cannot ask the front"):
        ask(tmp_path / home / "web" / SOCKET, "show version")
