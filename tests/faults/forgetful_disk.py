"""An ext4 whose power can be cut: what was not on the disk by then never comes there.

It lies on a loop device; the cut is the file system's own shutdown without a flush of its journal, as xfstests
has it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

from demo.parts.dockerd import _unmount_below as unmount_below
from demo.parts.waiting import until

_EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
_WITHOUT_FLUSH = 2
_SIZE_MB = 512


class Disk:
    """An ext4 of its own at *place*, whose power can be cut."""

    def __init__(self, image: Path, place: Path) -> None:
        self._place, self._image = place, image
        with image.open("wb") as file:
            file.truncate(_SIZE_MB * 1024 * 1024)
        subprocess.run(
            ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1", image], check=True, capture_output=True
        )

    def mount(self) -> None:
        self._place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self._image, self._place], check=True)

    def commit(self) -> None:
        """Have the journal written, as the kernel does every 5 s: names are on the disk, what they name is not."""
        descriptor = os.open(self._place / "somebody-else", os.O_WRONLY | os.O_CREAT)
        try:
            os.write(descriptor, b"x")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def cut(self) -> None:
        """From now on nothing reaches it."""
        descriptor = os.open(self._place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Return when nobody has it any more: who unpacks a layer does so in a mount namespace of his own."""
        unmount_below(self._place)
        until(lambda: not self._place.is_mount() or self._unmounted(), "the unmounting")
        until(lambda: not self._held(), "the end of the loop device")

    def _unmounted(self) -> bool:
        return subprocess.run(["umount", self._place], check=False, capture_output=True).returncode == 0

    def _held(self) -> bool:
        return bool(subprocess.run(["losetup", "-j", self._image], check=True, capture_output=True).stdout)
