"""What the engine's words mean: errors, events of a pull, odd answers."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgetender import errors
from edgetender.engine import readings
from edgetender.engine.docker_engine import DockerEngine
from edgetender.engine.logs import log_lines
from edgetender.engine.outcomes import pull_failure, refusal
from edgetender.engine.pull import Layers
from edgetender.model.host_port import HostPort
from edgetender.model.observed import Readiness


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (404, "No such container: 3f", errors.NotFound),
        (409, "Conflict. The container name is in use", errors.EngineRefused),
        (500, 'could not select device driver "" with capabilities: [[gpu]]', errors.EngineRefused),
        (500, "write /var/lib/docker/x: no space left on device", errors.DiskFull),
        (500, "connection error: desc = ... rpc error: code = Unavailable", errors.EngineDown),
        (503, "", errors.EngineDown),
    ],
)
def test_a_refusal_becomes_the_error_of_its_reaction(
    status: int, words: str, expected: type[errors.AgentError]
) -> None:
    error = refusal("start container 3f", status, words)
    assert type(error) is expected
    assert str(error).startswith("cannot start container 3f: ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Get https://r/v2/: no basic auth credentials", errors.RegistryDenied),
        ("unauthorized: authentication required", errors.RegistryDenied),
        (
            "pull access denied for x, repository does not exist or may require 'docker login'",
            errors.RegistryDenied,
        ),
        ("manifest for r/x@sha256:0 not found: manifest unknown: manifest unknown", errors.ImageMissing),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", errors.ImageMissing),
        ("failed to register layer: write /x: no space left on device", errors.DiskFull),
        (
            "dial tcp: lookup r.example on 10.0.0.1:53: server misbehaving: not found",
            errors.RegistryUnreachable,
        ),
        ("toomanyrequests: You have reached your pull rate limit", errors.RegistryUnreachable),
        ("x509: certificate signed by unknown authority", errors.RegistryUnreachable),
    ],
)
def test_a_failed_pull_says_who_must_act(words: str, expected: type[errors.AgentError]) -> None:
    assert type(pull_failure("r/x@sha256:0", words)) is expected


def _event(
    layer: str, status: str, current: int | None = None, total: int | None = None
) -> dict[str, object]:
    return {"id": layer, "status": status, "progressDetail": {"current": current, "total": total}}


def test_the_total_is_known_once_no_layer_waits_for_its_turn() -> None:
    layers = Layers()
    layers.take({"id": "sha256:0", "status": "Pulling from team/probe"})
    assert not layers.seen
    layers.take(_event("a", "Pulling fs layer"))
    layers.take(_event("b", "Already exists"))
    layers.take(_event("a", "Waiting"))
    unknown = layers.total_bytes
    layers.take(_event("a", "Downloading", 40, 100))
    assert (unknown, layers.total_bytes, layers.fetched["a"], layers.done) == (None, 100, 40, {"b"})
    layers.take(_event("a", "Download complete"))
    layers.take(_event("a", "Extracting", 10, 100))
    assert (layers.fetched["a"], layers.unpacked["a"]) == (100, 10)
    layers.take(_event("a", "Pull complete"))
    assert layers.done == layers.seen == {"a", "b"}


_ODD: list[dict[str, Any]] = [
    {},
    {"id": 7, "status": "Downloading"},
    {"id": "a", "status": "Downloading"},
    {"id": "a", "status": "Downloading", "progressDetail": None},
    {"id": "a", "status": "Extracting", "progressDetail": {"current": "x"}},
    {"id": "a", "status": "Pull complete"},
    {"id": "a", "status": "Unheard of"},
    {"id": "a", "status": None},
]


def test_events_of_any_order_and_shape_are_borne() -> None:
    for order in itertools.permutations(_ODD, 3):
        layers = Layers()
        for event in order:
            layers.take(event)
        assert layers.total_bytes in (None, 0)


def test_dockers_short_names_are_known_in_full() -> None:
    listed: list[dict[str, Any]] = [
        {"Id": "sha256:1", "RepoTags": ["busybox:1"], "RepoDigests": ["busybox@sha256:" + "a" * 64]},
        {"Id": "sha256:2", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]},
        {"Id": "sha256:3", "RepoTags": None, "RepoDigests": None},
    ]
    names = readings.image_names(listed)
    assert {"docker.io/library/busybox:1", "docker.io/library/busybox@sha256:" + "a" * 64} <= names
    assert {"sha256:1", "sha256:2", "sha256:3"} <= names
    assert not any("<none>" in name for name in names)


def _inspected(state: dict[str, object]) -> dict[str, object]:
    return {"Id": "3f", "Name": "/x", "Config": {"Labels": {}, "Image": "i"}, "State": state}


def test_the_engines_own_check_is_health() -> None:
    log = [{"Output": "connection\nrefused\n"}]
    for word, readiness in (
        ("starting", Readiness.UNKNOWN),
        ("healthy", Readiness.READY),
        ("unhealthy", Readiness.FAILING),
    ):
        one = readings.container(_inspected({"Status": "running", "Health": {"Status": word, "Log": log}}))
        assert one.health.readiness is readiness
    assert one.health.detail == "connection refused"


def test_a_start_that_failed_shows_its_code_though_nothing_ran() -> None:
    state = {
        "Status": "created",
        "ExitCode": 128,
        "Error": "could not select device driver",
        "StartedAt": "0001-01-01T00:00:00Z",
    }
    one = readings.container(_inspected(state))
    assert (one.exit_code, one.started_at) == (128, None)


def test_the_host_ports_a_container_was_made_to_hold_are_known_while_it_is_stopped_too() -> None:
    published = {
        "5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}, {"HostIp": "", "HostPort": "9001"}]
    }
    host = {"PortBindings": published | {"53/udp": [{"HostPort": ""}], "80/tcp": None}}
    one = readings.container(_inspected({"Status": "exited"}) | {"HostConfig": host})
    assert one.host_ports == (HostPort(9000, "tcp", "127.0.0.1"), HostPort(9001, "tcp", ""))
    assert one.publishes


def test_memory_is_without_what_the_page_cache_gives_back() -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}},
        "memory_stats": {"usage": 100, "limit": 1000, "stats": {"inactive_file": 30}},
        "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    }
    v2 = readings.figures("scorer", stats, host_memory_bytes=1000)
    assert v2
    assert (v2.cpu_seconds, v2.memory_bytes, v2.memory_limit_bytes) == (1.5, 70, None)
    assert (v2.received_bytes, v2.sent_bytes) == (11, 22)
    stats["memory_stats"] = {
        "usage": 100,
        "limit": 500,
        "stats": {"inactive_file": 5, "total_inactive_file": 40},
    }
    v1 = readings.figures("scorer", stats, host_memory_bytes=1000)
    assert v1
    assert (v1.memory_bytes, v1.memory_limit_bytes) == (60, 500)
    assert readings.figures("scorer", {"memory_stats": {}}, host_memory_bytes=1000) is None


@contextmanager
def _answering(home: Path, answer: bytes) -> Iterator[str]:
    """Something that takes one connection, says *answer* and hangs up."""
    path = home / "engine.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"unix://{path}"
        thread.join(60)


def _head(status: str, body: str) -> bytes:
    return f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (_head("200 OK", '{"ApiVersion": "1.40", "Version": "19.03"}'), errors.EngineRefused, "19.03"),
        (_head("500 No", '{"message": "code = Unavailable"}'), errors.EngineDown, "Unavailable"),
        (_head("200 OK", "<html>"), errors.EngineDown, "no JSON"),
        (_head("200 OK", "[]"), errors.EngineDown, "no JSON"),
        (b"", errors.EngineDown, "hung up"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", errors.EngineDown, "no HTTP"),
    ],
    ids=["too old", "containerd is down", "no JSON", "no object", "nothing", "no HTTP"],
)
def test_what_is_behind_the_socket_is_told(
    tmp_path: Path, answer: bytes, expected: type[errors.AgentError], words: str
) -> None:
    with _answering(tmp_path, answer) as address, pytest.raises(expected, match=words):
        DockerEngine(address, "d", timeout_s=2).containers()


def _frame(number: int, text: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BxxxL", number, len(text) if length is None else length) + text


_MOST = 64 * 1024


@pytest.mark.parametrize(
    ("frames", "lengths"),
    [
        ([_frame(1, b"x" * 1000)] * 200, [_MOST, _MOST, _MOST, 200_000 - 3 * _MOST]),
        ([_frame(1, b"x" * (_MOST + 5), length=2**32 - 1)], [_MOST, 5]),
        ([_frame(1, b"x" * _MOST), _frame(1, b"\n\nx\n")], [_MOST, 0, 1]),
        ([_frame(1, b"x" * _MOST), _frame(2, b"y\n"), _frame(1, b"xx\n")], [1, _MOST, 2]),
    ],
    ids=["many frames", "a frame that never ends", "just as long", "two streams"],
)
def test_a_line_that_never_ends_comes_in_pieces_of_64_kib(
    tmp_path: Path, frames: list[bytes], lengths: list[int]
) -> None:
    body = b"HTTP/1.0 200 OK\r\n\r\n" + b"".join(frames)
    with _answering(tmp_path, body) as address:
        asked = {"tail": None, "since": None, "until": None, "timestamps": False}
        lines = log_lines(address, "1.41", "3f", **asked, follow=True, timeout_s=5)
        assert [len(line) for line in lines] == lengths


def test_an_address_of_no_engine_is_told() -> None:
    calls: list[Callable[[], object]] = [
        DockerEngine(address, "d").containers for address in ("nonsense", "tcp://localhost", "tcp://[::1")
    ]
    for call in calls:
        with pytest.raises(errors.EngineDown, match=r"unix:///run/docker\.sock"):
            call()


def test_a_socket_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    engine = DockerEngine(f"unix://{tmp_path}/none.sock", "d", timeout_s=2)
    with pytest.raises(
        errors.EngineDown,
        match=r"the engine does not answer: No such file or directory; is the engine running\?",
    ):
        engine.containers()


def test_an_engine_that_takes_the_call_and_says_nothing_is_down_in_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        with pytest.raises(errors.EngineDown, match="no full answer in 1 s"):
            DockerEngine(f"unix://{tmp_path}/engine.sock", "d", timeout_s=1).containers()
