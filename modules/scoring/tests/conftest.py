"""How does a test get a real server? Starts `edgetender-scoring` as a process of its own, and talks bytes to it."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, settings

# a machine that others use as well is slow at times, and that is no fault of what is tested
settings.register_profile("shared", database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

PROJECT = Path(__file__).resolve().parents[1]
QUIET_S = 0.25  # a server that ends closes connections that are quiet for longer
HANGS_S = 60.0  # longer than anything that still comes takes on a busy machine
_STARTED = re.compile(r"ready on \S+:(\d+)")


@dataclass
class Answer:
    """One answer, as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The last value under *name*, whatever its case; None when there is none."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[-1] if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int, timeout_s: float = HANGS_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._rest = b""

    def send(self, head: str, body: bytes = b"") -> None:
        self.socket.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "Host: x"]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\n".join(lines), body)
        return self.read(head_only=method == "HEAD")

    def read(self, *, head_only: bool = False) -> Answer:
        """Return the next answer. Raises EOFError when the server closes before one is complete."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
        while not head_only and len(self._rest) < length:
            self._more()
        body = b"" if head_only else self._rest[:length]
        self._rest = self._rest[len(body) :]
        return Answer(int(first.split()[1]), headers, body)

    def _more(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise EOFError
        self._rest += chunk

    def at_end(self) -> bool:
        """Whether the server has closed; waits for it."""
        return self._rest == b"" and self.socket.recv(1) == b""

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class Server:
    """A running server. *log* is what it wrote so far, as a file."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        """Ask once, on a connection of its own."""
        with Client(self.port) as client:
            return client.ask(method, path, body, **headers)

    def score(self, body: bytes = b"x", **headers: str) -> Answer:
        return self.ask("POST", "/score", body, **headers)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


def write_script(folder: Path, text: str, name: str = "score.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def environment(**more: str) -> dict[str, str]:
    """What a server starts with: this process's path, nothing of its variables."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", **more}


def start(folder: Path, *flags: str, **variables: str) -> Server:
    """Start a server in *folder* on a free port; return when it is ready. Raises AssertionError with its log."""
    log = folder / "server.log"
    command = [sys.executable, "-m", "edgetender_scoring", "--host", "127.0.0.1", "--port", "0", *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment(**variables), stdout=out, stderr=out)
    deadline = time.monotonic() + HANGS_S
    while not (found := _STARTED.search(log.read_text(encoding="utf-8"))):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(60)
            raise AssertionError(f"the server is not ready:\n{log.read_text(encoding='utf-8')}")
        threading.Event().wait(0.01)
    return Server(process, int(found[1]), log)


@contextmanager
def _serving(folder: Path, text: str, *flags: str, **variables: str) -> Iterator[Server]:
    write_script(folder, text)
    with _running(folder, "--entry_script", "score.py", *flags, **variables) as server:
        yield server


@contextmanager
def _running(folder: Path, *flags: str, **variables: str) -> Iterator[Server]:
    server = start(folder, *flags, **variables)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait(60)


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., AbstractContextManager[Server]]:
    """`serving(script text, *flags, **environment)`: a server of that script while the block lasts."""
    return lambda text, *flags, **variables: _serving(tmp_path, text, *flags, **variables)


@contextmanager
def _started(folder: Path, *flags: str, **variables: str) -> Iterator[Server]:
    log = folder / "server.log"
    command = [sys.executable, "-m", "edgetender_scoring", "--host", "127.0.0.1", *flags]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment(**variables), stdout=out, stderr=out)
    server = Server(process, int(flags[flags.index("--port") + 1]), log)
    try:
        deadline = time.monotonic() + HANGS_S
        while True:
            try:
                Client(server.port).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the server does not listen"
        yield server
    finally:
        process.kill()
        process.wait(60)


@pytest.fixture
def start_only() -> Callable[..., AbstractContextManager[Server]]:
    """`start_only(folder, "--port", port, ...)`: a server that listens, and need not be ready."""
    return _started


@pytest.fixture
def free_port() -> int:
    """Below those that the kernel gives to clients: one of them would have it before the server has."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, lowest)
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def running() -> Callable[..., AbstractContextManager[Server]]:
    """`running(folder, *flags, **environment)`: a server told nothing else, while the block lasts."""
    return _running


@pytest.fixture(scope="session")
def serving_in() -> Callable[..., AbstractContextManager[Server]]:
    """`serving_in(folder, script text, ...)`: for fixtures that several tests share."""
    return _serving


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose script returns what it gets; tests that need nothing else share it."""
    text = """
        import threading, time

        def init(): ...

        def run(raw_data):
            if raw_data.startswith("wait "):
                threading.Event().wait(float(raw_data[5:]))
            return raw_data
    """
    with _serving(tmp_path_factory.mktemp("echo"), text, "--worker_count", "2") as server:
        yield server


@pytest.fixture
def exit_of(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run the command in the test's folder to its end; return exit code and what it said."""

    def call(*flags: str, **variables: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "edgetender_scoring", *flags]
        env = environment(**variables)
        done = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stderr + done.stdout

    return call


@pytest.fixture
def ask_on() -> Callable[[Callable[[], Answer]], Iterator[Answer]]:
    """`ask_on(ask)`: what *ask* is answered, one after the other, up to the last before the server ends.

    On a busy machine a client may be quiet for so long that a server that ends closes its connection.
    """

    def call(ask: Callable[[], Answer]) -> Iterator[Answer]:
        quiet_since, last = time.monotonic(), False
        while not last:
            try:
                answer = ask()
            except (EOFError, ConnectionError):
                assert time.monotonic() - quiet_since > QUIET_S
                return
            quiet_since, last = time.monotonic(), answer.header("connection") == "close"
            yield answer

    return call


@pytest.fixture
def connect() -> Iterator[Callable[[Server], Client]]:
    """`connect(server)`: a kept-alive connection, closed at the test's end."""
    opened: list[Client] = []

    def call(server: Server, timeout_s: float = HANGS_S) -> Client:
        opened.append(Client(server.port, timeout_s))
        return opened[-1]

    yield call
    for client in opened:
        client.close()
