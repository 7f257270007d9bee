"""Which trace is a request part of? The W3C header `traceparent`, read as far as the log needs it."""

from __future__ import annotations

import re

_OURS = 55  # what a header of version 00 has; later ones may have more behind it
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


def trace_id(traceparent: str) -> str:
    """Return the id of the trace; empty where the header says none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (traceparent.startswith("00") and len(traceparent) != _OURS):
        return ""
    return found[1]
