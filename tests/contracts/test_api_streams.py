"""What becomes of a log stream when its reader leaves, dawdles, or is one too many?"""

from __future__ import annotations

import itertools
import threading

import pytest

from tests.fakes.house import FakeHouse, Following
from tests.services.api import served


@pytest.fixture
def house():
    return FakeHouse()


@pytest.fixture
def api(house, tmp_path):
    with served(house, tmp_path / "admin.sock") as running:
        yield running


def follow(api, module="scorer"):
    """A reader who has read the head and the first line."""
    connection = api.connect()
    connection.sendall(f"GET /v1/logs/{module}?follow=1 HTTP/1.0\r\n\r\n".encode())
    stream = connection.makefile("rb")
    head = list(iter(stream.readline, b"\r\n"))
    return connection, stream, head


def test_each_line_comes_when_it_is_said_not_when_the_log_ends(api, house):
    house.said["scorer"] = Following("one", "two")
    connection, stream, _ = follow(api)
    with connection, stream:
        assert (stream.readline(), stream.readline()) == (b"one\n", b"two\n")


def test_a_silent_log_is_closed_when_its_reader_leaves(api, house):
    log = house.said["scorer"] = Following("one")
    connection, stream, _ = follow(api)
    stream.readline()
    stream.close()
    connection.close()
    assert log.closed.wait(60)


def test_a_talking_log_is_closed_when_its_reader_leaves(api, house):
    ended = threading.Event()

    def talk():
        try:
            yield from (f"line {number}" for number in itertools.count())
        finally:
            ended.set()

    house.said["scorer"] = talk()
    connection, stream, _ = follow(api)
    assert stream.readline() == b"line 0\n"
    stream.close()
    connection.close()
    assert ended.wait(60)


def test_a_reader_who_dawdles_does_not_make_the_daemon_read_on_without_end(api, house):
    said = itertools.count()
    last = [0]

    def talk():
        for number in said:
            last[0] = number
            yield "x" * 10_000

    house.said["scorer"] = talk()
    connection, stream, _ = follow(api)
    with connection, stream:
        seen = -1
        while seen != last[0]:  # until it stands still for as long as the next request takes
            seen = last[0]
            for _ in range(20):
                assert api.ask("/healthz").status == 200
        assert last[0] < 5000
        for _ in range(last[0] + 1):  # and nothing was lost
            assert stream.readline() == b"x" * 10_000 + b"\n"


def test_the_ninth_reader_is_told_to_end_one_and_a_place_is_free_again_after_that(api, house):
    house.said |= {f"m{number}": Following("hello") for number in range(10)}
    readers = [follow(api, f"m{number}") for number in range(8)]
    reply = api.ask("/v1/logs/m8")
    assert (reply.status, reply.code) == (503, "api.busy")
    assert house.said["m8"].closed.is_set()
    for connection, stream, _ in readers:
        stream.close()
        connection.close()
    assert all(house.said[f"m{number}"].closed.wait(60) for number in range(8))
    house.said["short"] = ["done"]
    while (reply := api.ask("/v1/logs/short")).status == 503:  # the last reader's thread gives its place back
        pass
    assert reply.body == b"done\n"


def test_a_log_is_plain_text(api, house):
    house.said["scorer"] = ["<b>not markup</b>"]
    connection, stream, head = follow(api)
    with connection, stream:
        assert b"content-type: text/plain; charset=utf-8\r\n" in head
        assert stream.read() == b"<b>not markup</b>\n"
