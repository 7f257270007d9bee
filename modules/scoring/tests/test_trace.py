"""Does a line of the log say which trace a request is part of?"""

import pytest

from edgetender_scoring.trace import trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"01-{TRACE}-00f067aa0ba902b7-01-and more", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-01-and more", ""),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", ""),
        ("", ""),
        ("x\r\ny", ""),
    ],
)
def test_a_trace_is_told_from_what_is_none(given, found):
    assert trace_id(given) == found


def test_the_line_of_a_request_says_its_trace(serving):
    with serving("def init(): ...\n\n\ndef run(data):\n    return 1\n") as server:
        server.score(b"1", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        server.score(b"2")
        server.terminate()
        server.process.wait(20)
        lines = [line for line in server.log.read_text().splitlines() if "POST /score 200" in line]
    assert [line.partition(" trace=")[2] for line in lines] == [TRACE, ""]
