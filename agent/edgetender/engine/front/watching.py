"""Does a front hang? Nothing else would say so: its container runs, and no event comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edgetender.engine.front.haproxy_config import SOCKET
from edgetender.engine.front.haproxy_socket import ask, hung
from edgetender.errors import FrontDown


def watch(home: Path, wake: Callable[[], None], stopping: threading.Event, every_s: float = 2.0) -> None:
    """Call *wake* whenever a front below *home* holds its socket and does not answer; until *stopping*.

    What is to be done the loop decides, from a look of its own.
    """
    while not stopping.wait(every_s):
        for socket in home.glob(f"*/{SOCKET}"):
            try:
                ask(socket, "show version")
            except FrontDown as error:
                if hung(error):
                    wake()
