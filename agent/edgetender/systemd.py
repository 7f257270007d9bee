"""What do systemd and the service tell each other? Ready, alive, stopping, one datagram each; without it, nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path


def credentials_directory(environ: Mapping[str, str]) -> Path | None:
    """Where systemd put the service's credentials (systemd.exec(5)); None for nowhere."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    return Path(directory) if directory else None


class Notifier:
    """Speaks to the service manager that *environ* names. Never raises, never blocks; any thread."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # an address that begins with @ is abstract: the kernel wants a null byte there
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog_us = environ.get("WATCHDOG_USEC", "")
        # sd_watchdog_enabled(3): a pid that is not ours means that the variables were inherited
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._is_ready = False
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() and is_ours else None

    def pause_s(self, wanted_s: float) -> float:
        """*wanted_s*, or less: the pause between two signs of life leaves the watchdog half of its time."""
        return min(wanted_s, self.watchdog_s / 2) if self.watchdog_s else wanted_s

    def alive(self, headline: str) -> None:
        """A cycle ended, the first of which makes the service ready; *headline* shows in `systemctl status`."""
        first, self._is_ready = not self._is_ready, True
        ready = "READY=1\n" if first else ""
        self._tell(f"{ready}STATUS={_line(headline)}\nWATCHDOG=1")

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
