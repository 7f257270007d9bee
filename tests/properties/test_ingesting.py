"""Whatever a module sends: it is messages or a refusal, never a surprise."""

from __future__ import annotations

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from edgetender.ingest.request import Refused, head_of, messages_in

STREAMS = {"alarms": "durable", "figures": "standard"}


@given(st.binary(max_size=200))
def test_no_head_is_an_exception(words: bytes) -> None:
    for head in (words, b"POST /v1/messages/alarms HTTP/1.1\r\n" + words):
        with contextlib.suppress(Refused):
            assert head_of(head, STREAMS).stream == "alarms"


@given(st.lists(st.binary(max_size=30), max_size=5).map(b"\n".join), st.booleans())
def test_what_is_taken_is_json_by_itself_and_between_others(body: bytes, lines: bool) -> None:
    try:
        found = messages_in(body, lines=lines, max_bytes=100, most=4)
    except Refused:
        return
    assert 1 <= len(found) <= 4
    assert len(json.loads(b"[" + b",".join(found) + b"]")) == len(found)
