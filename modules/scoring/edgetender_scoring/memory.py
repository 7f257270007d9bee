"""What of the memory that loading took is given back? A model's file is read into memory twice, and kept once."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Let the C library return what is free to the system; where it cannot (musl), nothing happens. Any thread."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
