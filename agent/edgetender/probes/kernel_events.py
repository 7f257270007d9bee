"""Did a device come, go, or get another driver? The kernel says so itself, to anybody who listens.

Listening needs no privilege but a netlink socket. Where that is not allowed (a container, an older unit file), a
change is noticed by its signs within ten seconds: an event only shortens the wait.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

_KOBJECT_UEVENT, _KERNEL_GROUP = 15, 1  # linux/netlink.h; udev's own messages go to group 2
_ACTIONS = ("add", "remove", "bind", "unbind")
# usb, hidraw, misc: Coral, Hailo's and Qualcomm's nodes; drm, accel: GPUs and NPUs
_SUBSYSTEMS = ("pci", "drm", "accel", "usb", "misc", "hailo_chardev", "apex")
_QUIET_S, _MOST_PAUSES = 0.5, 10  # a driver that starts says many things: they are one change
_BYTES = 64 * 1024


def fields(message: bytes) -> Mapping[str, str]:
    """`add@/devices/…\\0ACTION=add\\0SUBSYSTEM=drm\\0…` by name; empty for what is none of the kernel's."""
    head, *lines = message.rstrip(b"\0").decode(errors="replace").split("\0")
    if "@" not in head:  # udev's begin with `libudev`
        return {}
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def matters(said: Mapping[str, str]) -> bool:
    """Whether it may change which accelerators there are: a plugged mouse does, a mounted disk does not."""
    if said.get("SUBSYSTEM") == "usb" and said.get("DEVTYPE") != "usb_device":
        return False
    return said.get("ACTION") in _ACTIONS and said.get("SUBSYSTEM") in _SUBSYSTEMS


def listen() -> socket.socket:
    """A socket that hears the kernel. Raises OSError where that is not allowed."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _KOBJECT_UEVENT)
    try:
        made.bind((0, _KERNEL_GROUP))
    except OSError:
        made.close()
        raise
    return made


class KernelEvents:
    """Calls *changed* once things are quiet after a change. `work` has a thread of its own, `close` ends it."""

    def __init__(
        self, changed: Callable[[], None], listen: Callable[[], socket.socket] | None = listen
    ) -> None:
        self._changed = changed
        self._ears: list[socket.socket] = []
        self._end, self._ending = socket.socketpair()
        try:
            self._ears += [listen()] if listen is not None else []
        except OSError as error:
            why = f"the kernel's events cannot be heard ({error}): a change is noticed within 10 s"
            log.info("devices", extra={"fields": {"why": why}})
        for ear in self._ears:
            ear.setblocking(False)

    def work(self) -> None:
        try:
            while not self._closed(None):
                if self._heard() and not self._calm():
                    return
        finally:
            for one in (self._end, *self._ears):
                one.close()

    def close(self) -> None:
        self._ending.close()

    def _calm(self) -> bool:
        """Wait until nothing more comes and tell; return False when it is to end meanwhile."""
        for _ in range(_MOST_PAUSES):
            if self._closed(_QUIET_S):
                return False
            if not self._heard():
                break
        self._changed()
        return True

    def _closed(self, timeout_s: float | None) -> bool:
        """Wait until something is said, or for *timeout_s*; return whether it is to end."""
        ready, _, _ = select.select([self._end, *self._ears], [], [], timeout_s)
        return self._end in ready

    def _heard(self) -> bool:
        """Whether anything of what was said matters; all of it is read."""
        found = False
        for ear in self._ears:
            try:
                while True:
                    message, sender = ear.recvfrom(_BYTES)
                    if not sender or sender[0] == 0:  # the kernel's own number; nobody else has it
                        found = matters(fields(message)) or found
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                found = True  # more was said than we could hear
        return found
