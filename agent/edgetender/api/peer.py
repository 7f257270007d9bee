"""Who is at the other end of the admin socket, and may they give orders?"""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import dataclass
from typing import Protocol

_SO_PEERGROUPS = 59  # asm-generic/socket.h; the socket module has no name for it
_CREDENTIALS = struct.Struct("3i")
_MAX_GROUPS = 256  # Python's getsockopt takes 1024 bytes, no more


class HasOptions(Protocol):
    """A socket, or asyncio's view of one."""

    @property
    def family(self) -> int: ...

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A process as the kernel saw it when it connected (unix(7), SO_PEERCRED)."""

    pid: int
    uid: int
    groups: frozenset[int]

    def __str__(self) -> str:
        return f"uid {self.uid}"


def peer_of(connection: HasOptions) -> Peer | None:
    """The peer of a unix socket; None for any other kind of connection."""
    if connection.family != socket.AF_UNIX:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(credentials)
    return Peer(pid, uid, frozenset({gid}) | _supplementary(connection))


def _supplementary(connection: HasOptions) -> frozenset[int]:
    groups = array.array("I")
    try:
        groups.frombytes(
            connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MAX_GROUPS * groups.itemsize)
        )
    except OSError:  # a kernel before 4.13, or a member of more groups than that: the first one must do
        return frozenset()
    return frozenset(groups)


def is_trusted(peer: Peer, *, own_uid: int, group: int | None) -> bool:
    """Root, the daemon's own user and members of *group* may; the socket's mode says the same, once more."""
    return peer.uid in (0, own_uid) or (group is not None and group in peer.groups)
