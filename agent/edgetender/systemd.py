"""What systemd is told: ready, alive, stopping. One datagram each (sd_notify(3)); without systemd, nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager that *environ* names. Never raises, never blocks; any thread."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # an address that begins with @ is abstract: the kernel wants a null byte there
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog_us = environ.get("WATCHDOG_USEC", "")
        # sd_watchdog_enabled(3): a pid that is not ours means that the variables were inherited
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() and is_ours else None

    def ready(self, headline: str) -> None:
        """The daemon has read its state, opened its sockets and looked at the device once."""
        self._tell(f"READY=1\nSTATUS={_line(headline)}\nWATCHDOG=1")

    def alive(self, headline: str) -> None:
        """A cycle ended; *headline* shows in `systemctl status`."""
        self._tell(f"WATCHDOG=1\nSTATUS={_line(headline)}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
            wire.setblocking(False)
            wire.sendto(text.encode(errors="replace"), self._address)


def _line(text: str) -> str:
    return " ".join(text.split())
