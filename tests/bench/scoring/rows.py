"""What did one server cost under one load? A process of its own, read from /proc."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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


@contextmanager
def serving(
    kind: Kind, folder: Path, peer: Path, script: str | None = None
) -> Iterator[tuple[int, int, float]]:
    """A running server on CPU 0: its pid, port, and the seconds until its first 200."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", "0", *kind.command(port, peer, script)],
        cwd=folder,
        env=kind.environment(os.environ["PATH"]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _healthy(port):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise RuntimeError(f"{kind.label} does not start")
        yield process.pid, port, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(20)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def run(kind: Kind, folder: Path, connections: int, peer: Path) -> Row:
    """Load the server from CPU 1. Raises RuntimeError for a load that was not answered well."""
    with serving(kind, folder, peer) as (pid, port, start_s):
        _wrk(folder, connections, port, 1)
        before = _cpu_s(pid)
        said = _wrk(folder, connections, port, SECONDS)
        cpu_s = _cpu_s(pid) - before
        count = int(_found(r"(\d+) requests in", said)[1])
        if not count or "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(f"{kind.label} did not answer as it should:\n{said}")
        p99 = _found(r"99%\s+([\d.]+)(us|ms|s)\n", said)
        return Row(
            cpu_s / count * 1e6, count / SECONDS, float(p99[1]) * _UNITS[p99[2]], _rss_mib(pid), start_s
        )


def _wrk(folder: Path, connections: int, port: int, seconds: int) -> str:
    command = f"taskset -c 1 wrk -t1 -c{connections} -d{seconds}s --latency -s post.lua http://127.0.0.1:{port}/score"
    return subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, text=True).stdout


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk did not say {pattern}:\n{text}")
    return match


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _tree(int(child)))]


def _cpu_s(pid: int) -> float:
    """User and system time of the whole process tree."""
    ticks = 0
    for one in _tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def _rss_mib(pid: int) -> float:
    return (
        sum(int(_found(r"VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text())[1]) for one in _tree(pid))
        / 1024
    )


def raw_us(model: Path) -> float:
    """CPU time of `session.run` on two rows, in a loop with nothing else."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(model), options)
    rows = {"x": np.ones((2, 10), np.float32)}
    took = []
    for _ in range(20):
        begun = time.thread_time()
        for _ in range(2000):
            session.run(None, rows)
        took.append((time.thread_time() - begun) / 2000)
    return median(took) * 1e6
