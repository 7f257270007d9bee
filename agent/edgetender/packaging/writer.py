"""Who writes this? A part of a name that no other process and no other thread uses at the same time."""

from __future__ import annotations

import os
import threading


def writer() -> str:
    """For files that are written beside their place and then renamed: several packages may be made at once."""
    return f"{os.getpid()}-{threading.get_ident()}"
