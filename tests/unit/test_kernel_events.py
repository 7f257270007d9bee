"""What the kernel says of its devices, and which of it has the hardware looked at again."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.parts.waiting import until
from edgetender.probes.kernel_events import KernelEvents, fields, listen, matters


def event(action: str, subsystem: str, **more: str) -> bytes:
    """One message as the kernel sends it."""
    lines = {"ACTION": action, "DEVPATH": "/devices/x", "SUBSYSTEM": subsystem} | more | {"SEQNUM": "1"}
    return "\0".join([f"{action}@/devices/x", *(f"{k}={v}" for k, v in lines.items()), ""]).encode()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (event("add", "drm", DEVNAME="dri/renderD128"), True),
        (event("remove", "pci", PCI_ID="10DE:2204"), True),
        (event("bind", "pci", DRIVER="nvidia"), True),
        (event("unbind", "pci"), True),
        (event("add", "accel"), True),
        (event("add", "usb", DEVTYPE="usb_device", PRODUCT="18d1/9302/100"), True),
        (event("add", "usb", DEVTYPE="usb_interface"), False),
        (event("change", "drm", HOTPLUG="1"), False),  # a monitor
        (event("add", "block"), False),
        (event("add", "net"), False),
        (b"libudev\0\xfe\xed\xca\xfe" + event("add", "drm"), False),
        (b"", False),
        (b"\xff\xff\0\0=\0@", False),
    ],
)
def test_only_what_may_be_an_accelerator_matters(message: bytes, expected: bool) -> None:
    assert matters(fields(message)) is expected


@dataclass
class Bench:
    """The listener on a thread of its own, once it works; *say* is the kernel."""

    say: socket.socket
    thread: threading.Thread
    changes: list[int] = field(default_factory=list)


@pytest.fixture
def bench() -> Iterator[Bench]:
    ear, say = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    events = KernelEvents(lambda: bench.changes.append(1), lambda: ear)
    bench = Bench(say, threading.Thread(target=events.work))
    yield bench
    events.close()
    bench.thread.join(60)
    assert not bench.thread.is_alive()
    say.close()


def test_what_a_driver_says_while_it_starts_is_one_change(bench: Bench) -> None:
    for _ in range(4):  # more would wait to be heard, and then it matters how soon
        bench.say.send(event("add", "block"))
        bench.say.send(event("bind", "pci"))
    bench.thread.start()
    until(lambda: bench.changes, "the change")
    bench.say.send(event("remove", "drm"))
    until(lambda: len(bench.changes) == 2, "the next change")


def test_where_nobody_may_listen_it_says_what_is_left_and_ends_like_any_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refused() -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    with caplog.at_level(logging.INFO):
        events = KernelEvents(lambda: None, refused)
    assert "a change is noticed within 10 s" in str(caplog.records[0].__dict__["fields"])
    thread = threading.Thread(target=events.work)
    thread.start()
    events.close()
    thread.join(60)
    assert not thread.is_alive()


def test_the_kernel_is_heard_without_a_privilege() -> None:
    """A device that is already there is announced once more, which only root may ask for."""
    try:
        ear = listen()
    except OSError as error:
        pytest.skip(f"netlink is not allowed here: {error}")
    with ear:
        ear.settimeout(60)
        try:
            Path("/sys/class/mem/null/uevent").write_text("add")
        except OSError as error:
            pytest.skip(f"no device may be announced here: {error}")
        said: dict[str, str] = {}
        while said.get("DEVNAME") != "null":
            message, (sender, _) = ear.recvfrom(65536)
            said = dict(fields(message))
            assert sender == 0
        assert said["SUBSYSTEM"] == "mem"
