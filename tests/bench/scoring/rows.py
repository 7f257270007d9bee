"""What did one server cost under one load? A process of its own, read from /proc."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.scoring.kinds import Kind

SECONDS = 2
_TICKS = os.sysconf("SC_CLK_TCK")
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Row:
    """One server under one load."""

    cpu_us: float
    per_s: float
    p99_ms: float
    rss_mib: float
    start_s: float


@dataclass(frozen=True)
class Running:
    """A server that has answered its first 200, *start_s* after it was started."""

    pid: int
    port: int
    start_s: float


@contextmanager
def serving(kind: Kind, folder: Path, cpus: str = "0") -> Iterator[Running]:
    """A running server on these CPUs, in *folder*."""
    port, *more = _free_ports(3)
    command, environment = kind.command(port), kind.environment(os.environ["PATH"], (port, *more))
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", cpus, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not _healthy(port, kind.health):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise RuntimeError(f"{kind.label} does not start: {' '.join(command)}")
        yield Running(process.pid, port, time.perf_counter() - begun)
    finally:
        process.terminate()
        process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe leaves its own behind


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _healthy(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def run(kind: Kind, folder: Path, connections: int, seconds: int = SECONDS) -> Row:
    """Load the server from CPU 1. Raises RuntimeError for a load that was not answered well."""
    with serving(kind, folder) as server:
        return loaded(kind, folder, server, connections, seconds)


def loaded(kind: Kind, folder: Path, server: Running, connections: int, seconds: int = SECONDS) -> Row:
    """Load a server that runs already; the same errors."""
    wrk(kind, folder, connections, server.port, 1)
    before = _cpu_s(server.pid)
    said = wrk(kind, folder, connections, server.port, seconds)
    cpu_s = _cpu_s(server.pid) - before
    count = int(_found(r"(\d+) requests in", said)[1])
    if not count or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{kind.label} did not answer as it should:\n{said}")
    p99 = _found(r"99%\s+([\d.]+)(us|ms|s)\s*\n", said)
    return Row(
        cpu_s / count * 1e6,
        count / seconds,
        float(p99[1]) * _UNITS[p99[2]],
        rss_mib(server.pid),
        server.start_s,
    )


def wrk(kind: Kind, folder: Path, connections: int, port: int, seconds: int) -> str:
    target = f"http://127.0.0.1:{port}{kind.path}"
    command = (
        f"taskset -c 1 wrk -t1 -c{connections} -d{seconds}s --timeout 20s --latency -s {kind.load} {target}"
    )
    return subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, text=True).stdout


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk did not say {pattern}:\n{text}")
    return match


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return [pid]
    return [pid, *(one for child in children for one in _tree(int(child)))]


def _cpu_s(pid: int) -> float:
    """User and system time of the whole process tree."""
    ticks = 0
    for one in _tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def rss_mib(pid: int) -> float:
    """What the process tree has in memory."""
    return (
        sum(int(_found(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())[1]) for one in _tree(pid))
        / 1024
    )


def raw_us(model: Path, rows: Any, times: int = 2000) -> float:
    """CPU time of `session.run` on *rows*, in a loop with nothing else."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options)
    took = []
    for _ in range(20 if times > 100 else 3):
        begun = time.thread_time()
        for _ in range(times):
            session.run(None, {"x": rows})
        took.append((time.thread_time() - begun) / times)
    return median(took) * 1e6


def conditions() -> str:
    """What else the machine does."""
    return f"load average {' '.join(f'{one:.1f}' for one in os.getloadavg())}, {os.cpu_count()} CPUs"
