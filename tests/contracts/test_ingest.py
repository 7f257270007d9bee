"""What modules send: acknowledged once the outbox has it, bounded, and from no one but who it says it is."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetender.errors import EngineRefused
from edgetender.model.observed import Container, Observed, Status
from edgetender.store.outbox import SqliteOutbox
from edgetender_scoring.stream import Stream
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeOutbox
from tests.services.ingest_site import STREAMS, Site, serving, short_place
from tests.services.sending import LINES, exchange, post


@pytest.fixture
def root() -> Iterator[Path]:
    with short_place() as place:
        yield place


@pytest.fixture
def site(root: Path) -> Iterator[Site]:
    with serving(root) as site:
        yield site


def test_a_message_goes_up_under_its_module_s_name_with_the_time_it_was_taken(site: Site) -> None:
    said = post(site.open(), "alarms", b' {"level": 3, "text": "\xc3\xbc"} ')
    assert (said.status, said.document) == (202, {"accepted": 1})
    assert site.queued == [
        (
            "telemetry/scorer/alarms",
            b'{"at":"2026-11-24T12:00:00.000Z","data":{"level": 3, "text": "\xc3\xbc"}}',
        )
    ]


def test_each_line_of_json_lines_is_a_message_in_its_order(site: Site) -> None:
    said = post(site.open(), "figures", b"1\n\n2\r\n[3]\n", LINES)
    assert said.document == {"accepted": 3}
    assert [json.loads(body)["data"] for _, body in site.queued] == [1, 2, [3]]


def test_who_follows_modules_hears_what_was_taken_and_nothing_that_was_refused(site: Site) -> None:
    path = site.open()
    assert post(path, "figures", b"1\n2\n", LINES).status == 202
    assert post(path, "figures", b"{").status == 400
    assert site.heard == [("scorer", (b"1", b"2"))]


def test_what_a_durable_stream_was_told_202_for_is_on_the_disk_with_one_commit(
    root: Path, tmp_path: Path
) -> None:
    outbox = SqliteOutbox(tmp_path / "queue.db", clock=FakeClock(), group_s=3600.0)
    with serving(root, outbox=outbox) as site:
        path = site.open()
        assert post(path, "figures", b"0").status == 202
        other = sqlite3.connect(tmp_path / "queue.db")
        assert other.execute("SELECT sum(messages) FROM packs").fetchone() == (None,)
        before = other.execute("PRAGMA data_version").fetchone()[0]
        assert post(path, "alarms", b"1\n2\n3\n", LINES).status == 202
        after = other.execute("PRAGMA data_version").fetchone()[0]
        assert other.execute("SELECT sum(messages) FROM packs").fetchone() == (4,)
        assert after - before == 1
        other.close()
    figures = {one.name: one for one in outbox.figures().streams}
    assert (figures["scorer/alarms"].accepted, figures["scorer/figures"].accepted) == (3, 1)
    outbox.close()


class FullOutbox(FakeOutbox):
    """Keeps in memory what the disk does not take."""

    def append(self, *given: object, **named: object) -> bool:
        super().append(*given, **named)  # type: ignore[arg-type]
        return not named["durable"]


def test_a_durable_message_that_a_full_disk_did_not_take_is_not_acknowledged(root: Path) -> None:
    with serving(root, outbox=FullOutbox()) as site:
        said = post(site.open(), "alarms", b"1")
        assert (said.status, said.code, said.retry_s) == (503, "disk.full", 30)
        assert post(site.open(), "figures", b"1").status == 202


def test_who_sends_is_known_by_the_door_and_other_streams_are_behind_none(site: Site) -> None:
    mine, other = site.open("scorer"), site.open("camera")
    assert post(mine, "alarms", b"1").status == 202
    assert post(other, "alarms", b"1").status == 202
    for forged in ("device", "../device", "camera/alarms", "alarms/x", "", "alarms?module=camera"):
        assert post(mine, forged, b"1").code == "stream.unknown"
    assert post(mine, "", b"1", target="/v1/status").code == "request.path"
    assert [topic for topic, _ in site.queued] == ["telemetry/scorer/alarms", "telemetry/camera/alarms"]


def test_a_module_that_sends_too_much_waits_and_another_does_not(site: Site) -> None:
    mine, other = site.open("scorer"), site.open("camera")
    assert post(mine, "figures", b"1\n" * 95, LINES).status == 202
    refused = post(mine, "alarms", b"1\n" * 10, LINES)  # all its streams together
    assert (refused.status, refused.code, refused.retry_s) == (429, "module.rate", 1)
    assert post(mine, "alarms", b"1\n" * 5, LINES).status == 202  # what was refused took nothing
    assert post(other, "figures", b"1").status == 202
    assert post(mine, "alarms", b"1").status == 429
    assert site.refused == [("scorer", "module.rate")] * 2
    site.clock.advance(1)
    assert post(mine, "alarms", b"1\n" * 10, LINES).status == 202
    assert len(site.queued) == 111


def test_two_containers_of_a_module_share_what_it_may_send(site: Site) -> None:
    old, new = site.open("scorer", "edgetender-scorer-1"), site.open("scorer", "edgetender-scorer-2")
    assert post(old, "figures", b"1\n" * 100, LINES).status == 202
    assert post(new, "figures", b"1").status == 429


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "message.malformed"),
        (b"1\n{\n", LINES, 400, "message.malformed"),
        (b"NaN", {}, 400, "message.malformed"),
        (b"", {}, 400, "message.malformed"),
        (b"\n", LINES, 400, "message.none"),
        (b'"' + b"x" * 1024 + b'"', {}, 413, "message.large"),
        (b"1\n" * 101, LINES, 413, "request.large"),
        (b"1", {"Content-Length": "99999999"}, 413, "request.large"),
        (b"1", {"Transfer-Encoding": "chunked"}, 411, "request.length"),
        (b"1", {"X-Large": "x" * 9000}, 431, "request.large"),
    ],
)
def test_what_cannot_be_taken_is_refused_whole(
    site: Site, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    said = post(site.open(), "alarms", body, headers)
    assert (said.status, said.code) == (status, code)
    assert site.queued == []


def test_who_is_refused_before_its_body_was_read_reads_why(site: Site) -> None:
    path = site.open()
    head = b"POST /v1/messages/other HTTP/1.1\r\nContent-Length: 200000\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        link.sendall(head)
        assert link.recv(12) == b"HTTP/1.1 404"
        link.sendall(b"x" * 200_000)
        assert b"stream.unknown" in link.recv(65536)


def test_messages_are_posted(site: Site) -> None:
    assert post(site.open(), "alarms", b"", method="GET").status == 405


def test_curl_waits_for_a_word_before_a_long_body_and_gets_it(site: Site) -> None:
    head = b"POST /v1/messages/alarms HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    assert exchange(site.open(), head + b"1").startswith(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted"
    )


def test_garbage_is_answered_and_nothing_is_not(site: Site) -> None:
    path = site.open()
    assert exchange(path, b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert exchange(path, b"") == b""
    assert post(path, "alarms", b"1").status == 202


def test_silence_costs_a_module_its_own_connections_alone(root: Path) -> None:
    with serving(root, patience_s=1) as site:
        mine, other = site.open("scorer"), site.open("camera")
        silent = [socket.socket(socket.AF_UNIX) for _ in range(8)]
        for one in silent:
            one.connect(str(mine))
        assert post(other, "alarms", b"1").status == 202
        assert silent[0].recv(12) == b"HTTP/1.1 408"
        assert post(mine, "alarms", b"1").status == 202  # it waited until one had been silent for too long
        for one in silent:
            one.close()


def test_a_module_that_floods_its_door_is_answered_so_often_and_no_more(site: Site) -> None:
    mine, other = site.open("scorer"), site.open("camera")
    assert post(mine, "figures", b"1\n" * 100, LINES).status == 202
    began = time.monotonic()
    assert {post(mine, "figures", b"1").status for _ in range(24)} == {429}
    assert time.monotonic() - began > 0.4  # eight at once, then each place is shut for a quarter of a second
    answers: list[int] = []
    flood = threading.Thread(
        target=lambda: answers.extend(post(mine, "figures", b"1").status for _ in range(96))
    )
    flood.start()
    assert post(other, "figures", b"1").status == 202
    assert flood.is_alive()  # with its 96 it is busy for 2.75 s at least
    flood.join()
    assert set(answers) == {429}


def test_each_user_of_the_container_reaches_the_socket_and_nobody_else_on_the_device(site: Site) -> None:
    before = os.umask(0o077)  # the daemon's
    try:
        path = site.open()
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (site.root, path.parent, path)]
    assert modes == [0o700, 0o755, 0o666]
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_scoring_server_s_records_are_taken(site: Site) -> None:
    assert Stream(site.open(), "figures").append({"input": [1], "output": [2]})
    assert not Stream(site.open(), "other").append({})
    ((_, body),) = site.queued
    assert json.loads(body)["data"] == {"input": [1], "output": [2]}


def container(name: str, status: Status = Status.RUNNING) -> Container:
    return Container(name, name, "scorer", "spec", 7, "image", status, streams=STREAMS)


def test_after_a_restart_of_the_agent_containers_that_run_send_on(root: Path) -> None:
    with serving(root) as first:
        path = first.open(name="one")
        folder = path.parent.stat().st_ino  # what the container was shown
    with serving(root) as second:
        second.doors.keep(Observed(containers=(container("one"),)))
        assert path.parent.stat().st_ino == folder
        assert post(path, "alarms", b"1").status == 202


def test_the_door_of_a_container_that_went_is_gone(site: Site) -> None:
    site.doors.keep(Observed(containers=(container("one"), container("two", Status.EXITED))))
    assert [one.name for one in site.root.iterdir()] == ["one"]
    fresh = site.open(name="fresh")
    site.doors.keep(Observed(engine_down="no answer"))
    assert post(site.root / "one" / fresh.name, "alarms", b"1").status == 202
    site.doors.keep(Observed())
    assert [one.name for one in site.root.iterdir()] == ["fresh"]  # made, and not looked at yet
    site.doors.close("fresh")
    with pytest.raises(OSError):
        post(fresh, "alarms", b"1")


def test_a_place_that_cannot_be_written_says_so(site: Site) -> None:
    site.root.rmdir() if site.root.exists() else None
    site.root.write_text("in the way")
    with pytest.raises(EngineRefused, match="may this user write to"):
        site.open()


def test_a_name_longer_than_a_socket_s_address_is_none_too_long(site: Site) -> None:
    path = site.open(name="n" * 120)
    assert stat.S_ISSOCK(path.stat().st_mode)
