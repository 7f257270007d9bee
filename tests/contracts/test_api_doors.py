"""Who gets in? Modes, leftovers and peers of the admin socket; names and paths of the loopback listener."""

from __future__ import annotations

import logging
import os
import socket
import stat
import threading

import pytest

from demo.parts.waiting import until
from edgetender.api.listeners import AddressTaken, bind_tcp, bind_unix
from edgetender.api.peer import Peer, is_trusted, peer_of
from edgetender.api.server import ApiServer
from tests.fakes.house import FakeHouse, Following
from tests.services.api import served
from tests.services.strangers import STRANGER, as_root, ask_as_stranger, foreign_group

LOOPBACK = "127.0.0.1:0"


@pytest.fixture
def house():
    return FakeHouse()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_the_socket_has_mode_0660_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        listener = bind_unix(tmp_path / "admin.sock", None)
    finally:
        os.umask(before)
    with listener:
        assert stat.S_IMODE((tmp_path / "admin.sock").stat().st_mode) == 0o660


def test_the_directory_of_the_socket_is_made(tmp_path):
    with bind_unix(tmp_path / "run/edgetender/admin.sock", None):
        assert (tmp_path / "run/edgetender/admin.sock").is_socket()


def test_the_leftover_of_a_dead_daemon_is_replaced(tmp_path, house):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "admin.sock"))
        dead.listen()
    with served(house, tmp_path / "admin.sock") as api:
        assert api.ask("/healthz").status == 200


def test_a_living_daemons_socket_is_left_alone(tmp_path, house):
    with served(house, tmp_path / "admin.sock") as api:
        with pytest.raises(AddressTaken, match="another daemon answers there"):
            bind_unix(tmp_path / "admin.sock", None)
        assert api.ask("/healthz").status == 200


def test_a_server_that_nobody_asks_waits_for_nothing_by_the_clock(tmp_path, house):
    api = ApiServer(house, socket_path=tmp_path / "admin.sock")
    api.bind()
    thread = threading.Thread(target=api.run)
    thread.start()
    until(lambda: api._server._loop is not None, "the loop")
    timers: list[int] = []
    told = threading.Event()

    def count() -> None:
        timers.append(len(api._server._loop._scheduled))
        told.set()

    api._server._loop.call_soon_threadsafe(count)
    assert told.wait(60)
    api.stop()
    thread.join(60)
    assert (timers, thread.is_alive()) == ([0], False)


def test_a_file_that_is_no_socket_is_not_removed(tmp_path):
    (tmp_path / "admin.sock").write_text("precious")
    with pytest.raises(AddressTaken, match="no socket"):
        bind_unix(tmp_path / "admin.sock", None)
    assert (tmp_path / "admin.sock").read_text() == "precious"


def test_a_place_that_cannot_be_used_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AddressTaken, match=r"cannot listen on .*; set \[api\] socket"):
        bind_unix(tmp_path / "file" / "admin.sock", None)


def test_a_taken_port_says_so_and_leaves_no_socket_behind(tmp_path, house):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(AddressTaken, match=rf"{taken}: .*; set \[api\] listen"):
            bind_tcp(taken)
        server = ApiServer(house, socket_path=tmp_path / "admin.sock", listen=taken)
        with pytest.raises(AddressTaken):
            server.bind()
    assert list(tmp_path.iterdir()) == []


def test_a_peer_is_known_by_uid_and_groups(tmp_path):
    with bind_unix(tmp_path / "s", None) as listener, socket.socket(socket.AF_UNIX) as mine:
        mine.connect(str(tmp_path / "s"))
        theirs, _ = listener.accept()
        with theirs:
            peer = peer_of(theirs)
            assert peer is not None
            assert (peer.pid, peer.uid) == (os.getpid(), os.getuid())
            assert {os.getgid(), *os.getgroups()} <= peer.groups


@pytest.mark.parametrize(
    ("uid", "groups", "trusted"),
    [(0, [], True), (990, [], True), (1000, [7], True), (1000, [8], False), (STRANGER, [], False)],
)
def test_root_the_daemons_user_and_the_groups_members_are_trusted(uid, groups, trusted):
    assert is_trusted(Peer(1, uid, frozenset(groups)), own_uid=990, group=7) is trusted


def test_without_a_group_nobody_is_in_it():
    assert not is_trusted(Peer(1, 1000, frozenset({7})), own_uid=990, group=None)


@as_root
def test_a_stranger_is_stopped_by_the_sockets_mode_and_once_more_by_its_name(open_folder, house):
    with served(house, open_folder / "admin.sock") as api:
        assert ask_as_stranger(api.path) == "no way in"
        api.path.chmod(0o666)  # somebody meant well
        assert ask_as_stranger(api.path) == "403"
        assert house.submitted == []


@as_root
def test_a_member_of_the_group_is_let_in_and_signs_with_its_uid(open_folder, house):
    group = foreign_group()
    with served(house, open_folder / "admin.sock", group=group.gr_name) as api:
        assert api.path.stat().st_gid == group.gr_gid
        assert ask_as_stranger(api.path, group.gr_gid) == "200"
        assert house.submitted == [("rollback", f"cli (uid {STRANGER})", b'{"to":null}')]
        assert ask_as_stranger(api.path) == "no way in"


@as_root
def test_what_is_for_root_alone_is_refused_to_the_groups_members_and_everything_is_written_down(
    open_folder, house, caplog
):
    group = foreign_group()
    caplog.set_level(logging.INFO, "edgetender.audit")
    with served(house, open_folder / "admin.sock", group=group.gr_name) as api:
        assert ask_as_stranger(api.path, group.gr_gid, target="/v1/trust/reset") == "403"
        assert house.submitted == []
        assert api.ask("/v1/trust/reset", "POST", b'{"floor":7}').status == 200
    assert house.submitted == [("trust-reset", "cli (uid 0)", b'{"floor":7}')]
    said = [(one.levelname, one.fields) for one in caplog.records if one.name == "edgetender.audit"]
    assert [(level, one["uid"], one["status"], one["path"]) for level, one in said] == [
        ("WARNING", STRANGER, 403, "/v1/trust/reset"),
        ("INFO", 0, 200, "/v1/trust/reset"),
    ]
    assert said[1][1]["pid"] == os.getpid()


def test_a_group_that_does_not_exist_admits_nobody_and_breaks_nothing(tmp_path, house):
    with served(house, tmp_path / "admin.sock", group="no-such-group-here") as api:
        assert api.ask("/healthz").status == 200


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    house = FakeHouse(said={"scorer": ["private"]})
    with served(house, tmp_path_factory.mktemp("tcp") / "admin.sock", listen=LOOPBACK) as api:
        yield api, house


@pytest.mark.parametrize("target", ["/healthz", "/metrics", "/v1/status", "/v1/checks"])
def test_over_tcp_anybody_may_look(listening, target):
    api, _ = listening
    reply = api.ask_tcp(target)
    assert (reply.status, reply.body) == (200, api.ask(target).body)


def test_metrics_over_tcp_name_prometheus_format(listening):
    assert listening[0].ask_tcp("/metrics").media_type == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/hardware"),
        ("GET", "/v1/history"),
        ("GET", "/v1/config"),
        ("GET", "/v1/logs/scorer"),
        ("GET", "/v1/events"),
        ("GET", "/v1/decisions/1"),
        ("POST", "/v1/checks"),
        ("POST", "/v1/plan"),
        ("POST", "/v1/apply"),
        ("POST", "/v1/modules/scorer/restart"),
        ("POST", "/v1/rollback"),
    ],
)
def test_over_tcp_nobody_may_do_or_read_more(listening, method, target):
    api, house = listening
    reply = api.ask_tcp(target, method)
    assert (reply.status, reply.code) == (403, "api.forbidden")
    assert house.submitted == []
    assert house.asked == []


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8787", "127.0.0.1:8787", "[::1]:8787", "[::1]"])
def test_the_loopback_listener_answers_to_its_own_names(listening, host):
    assert listening[0].ask_tcp("/v1/status", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "localhost.evil.example", "127.0.0.1.nip.io:80", "", "::1"]
)
def test_a_page_under_a_rebound_name_is_refused(listening, host):
    reply = listening[0].ask_tcp("/v1/status", host=host)
    assert (reply.status, reply.code) == (421, "api.host")


def test_without_an_address_nothing_listens_on_tcp(tmp_path, house):
    with served(house, tmp_path / "admin.sock") as api:
        assert api.port is None


def test_stop_ends_although_requests_are_under_way(tmp_path, house, caplog):
    house.said["scorer"] = Following("first")
    with served(house, tmp_path / "admin.sock", listen=LOOPBACK) as api:
        with api.connect() as following, api.connect(), following.makefile("rb") as stream:
            following.sendall(b"GET /v1/logs/scorer?follow=1 HTTP/1.0\r\n\r\n")
            while stream.readline() != b"first\n":
                pass
            assert api.stop()
            assert stream.read() == b""
        assert not api.path.exists()
        assert house.said["scorer"].closed.is_set()
        with pytest.raises(ConnectionRefusedError):
            api.ask_tcp("/healthz")
    assert caplog.records == []  # an end in order is no news


def test_a_successors_socket_is_not_removed(tmp_path, house):
    with served(house, tmp_path / "admin.sock") as old:
        old.path.unlink()
        with served(house, old.path) as new:
            assert old.stop()
            assert new.ask("/healthz").status == 200


def test_many_ask_at_once_and_all_are_answered(tmp_path, house):
    replies: list[int] = []
    with served(house, tmp_path / "admin.sock") as api:
        askers = [
            threading.Thread(target=lambda: replies.append(api.ask("/v1/status").status)) for _ in range(20)
        ]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    assert replies == [200] * 20
