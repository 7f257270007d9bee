"""Which wish began this? The W3C trace context that goes with a manifest, in it or beside it. Pure.

The traceparent is no part of what is deployed: it is taken off before anything is hashed, verified or compared, so
the same manifest pushed twice stays the same manifest.
"""

from __future__ import annotations

import re

from edgetender.codec import MAX_BYTES, canonical, decode
from edgetender.errors import ManifestInvalid

MEMBER = "traceparent"
_KEY = MEMBER.encode()
_PATTERN = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(trace_id: str, span_id: str) -> str:
    """Of a new trace, sampled; 32 and 16 hexadecimal digits that nobody else has."""
    return f"00-{trace_id}-{span_id}-01"


def is_traceparent(text: object) -> bool:
    """Whether *text* is one of version 00; ids of zeros are none."""
    return isinstance(text, str) and _PATTERN.fullmatch(text) is not None


def trace_id(parent: str) -> str:
    """What tracing tools look for; empty for an empty *parent*."""
    return parent.split("-")[1] if parent else ""


def carrying(body: bytes, parent: str) -> bytes:
    """*body*, a JSON object, with *parent* as a member; unchanged where it has one, is none, or has no room."""
    if not is_traceparent(parent):
        return body
    try:
        document = decode(body)
    except ManifestInvalid:
        return body
    if not isinstance(document, dict) or MEMBER in document:
        return body
    carried = canonical(document | {MEMBER: parent})
    return carried if len(carried) <= MAX_BYTES else body


def parted(body: bytes) -> tuple[bytes, str]:
    """*body* without its traceparent, and that; byte for byte, and empty, where there is none that is one."""
    if _KEY not in body:
        return body, ""
    try:
        document = decode(body)
    except ManifestInvalid:
        return body, ""
    if not isinstance(document, dict) or not is_traceparent(document.get(MEMBER)):
        return body, ""
    parent: str = document.pop(MEMBER)
    return canonical(document), parent
