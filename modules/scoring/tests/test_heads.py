"""Is a request behind a known head the same as one the parser reads? Connections alone, fed bytes."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender_scoring.connection import Connection
from edgetender_scoring.heads import Heads
from edgetender_scoring.message import Response


class Forgetful(Heads):
    def recall(self, data):
        return None


class Transport:
    def __init__(self):
        self.written = []

    def write(self, data):
        self.written.append(data)

    def is_closing(self):
        return False

    def can_write_eof(self):
        return False

    def close(self): ...
    def pause_reading(self): ...
    def resume_reading(self): ...


class Application:
    draining = False

    def __init__(self):
        self.asked = []

    def answer(self, request, deliver):
        self.asked.append(replace(request, arrived=0.0))
        deliver(Response(200, b"ok"))


def asked(heads, pieces):
    """The requests that a connection makes of *pieces*, each answered at once."""
    loop = asyncio.new_event_loop()
    application = Application()
    connection = Connection(loop, application, set(), heads, 1000)
    connection.connection_made(Transport())
    for piece in pieces:
        connection.data_received(piece)
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    return application.asked


def post(body, *more):
    lines = (b"POST /score?a=1 HTTP/1.1", b"Host: x", b"Content-Length: %d" % len(body), *more)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


PIECES = [
    post(b"12345"),
    post(b"54321"),
    post(b""),
    post(b"1\r\n\r\n"),
    post(b"12345", b"x-request-id: one"),
    post(b"12345", b"Content-Encoding: gzip"),
    post(b"12345", b"Expect: 100-continue"),
    post(b"12345") + post(b"1"),
    post(b"12345")[:-3],
    post(b"12345")[:30],
    post(b"12345")[30:],
    post(b"12345")[-3:],
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /score HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    b"POST /score HTTP/1.1\r\nContent-Length: 2000\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    b"no HTTP\r\n\r\n",
]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8), min_size=2, max_size=4))
def test_connections_that_share_known_heads_read_what_the_parser_reads(connections):
    heads = Heads()
    for pieces in connections:
        assert asked(heads, pieces) == asked(Forgetful(), pieces)


def test_a_head_is_known_when_it_comes_again():
    heads = Heads()
    asked(heads, [post(b"12345")])
    request = heads.recall(post(b"54321"))
    assert (request.method, request.path, request.query, request.body) == (
        "POST",
        b"/score",
        b"a=1",
        b"54321",
    )


@pytest.mark.parametrize(
    "data",
    [
        post(b"1234"),
        post(b"12345")[:-1],
        post(b"12345") + b"G",
        post(b"12345", b"x-request-id: one"),
        post(b"12345", b"traceparent: 00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"),
    ],
    ids=["another length", "too short", "more", "an id", "a trace"],
)
def test_anything_else_is_left_to_the_parser(data):
    heads = Heads()
    asked(heads, [post(b"12345"), post(b"12345", b"x-request-id: one")])
    assert heads.recall(data) is None


def test_heads_of_chance_do_not_fill_the_memory():
    heads = Heads()
    asked(heads, [post(b"", b"x-any: %d" % number) for number in range(2000)] + [post(b"", b"y" * 2000)])
    assert len(heads) <= 512
    assert heads.recall(post(b"", b"y" * 2000)) is None
