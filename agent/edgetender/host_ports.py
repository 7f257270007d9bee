"""Does somebody on this machine listen at a host port already?"""

from __future__ import annotations

import errno
import socket

from edgetender.model.target import PublishedPort

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def is_taken(port: PublishedPort) -> bool:
    """Whether it cannot be had because it is in use; False where that cannot be told. Any thread; never raises.

    It is bound and let go at once, as the engine would bind it: connections that only fade do not count.
    """
    kind = _KINDS.get(port.protocol)
    if kind is None:
        return False
    address = port.address or "0.0.0.0"  # noqa: S104  # asked, not served
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as tried:
            if kind is socket.SOCK_STREAM:  # with it two could share a port of UDP
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((address, port.host))
    except (OSError, OverflowError) as error:
        return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    return False
