"""Which boot of this machine is it? A number that differs from boot to boot: what did not jump counts within one."""

from __future__ import annotations

from pathlib import Path

from edgetender.store.database import crc

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NO_BOOT = 0  # boots that look alike: nothing is concluded from them


def boot_number() -> int:
    """A number made of the kernel's boot id; NO_BOOT where there is none."""
    try:
        return crc(_BOOT_ID.read_text().strip())
    except OSError:
        return NO_BOOT
