"""Requests as fast as they are answered, over kept connections, by processes that do nothing else."""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import time
from dataclasses import dataclass

_REQUEST = b"POST /score HTTP/1.1\r\nHost: bench\r\nContent-Length: 64\r\n\r\n" + b"x" * 64


@dataclass(frozen=True, slots=True)
class Speed:
    """*per_s* is of all clients together, the latencies of one that asks alone, in milliseconds."""

    per_s: float
    p50_ms: float
    p99_ms: float


def speed(port: int, *, seconds: float = 2.0, clients: int = 4) -> Speed:
    """Measure the port of 127.0.0.1: first one client alone, then *clients* at once."""
    alone = _in_processes(port, seconds, 1)[0]
    together = _in_processes(port, seconds, clients)
    cuts = statistics.quantiles(alone, n=100)
    return Speed(sum(len(one) for one in together) / seconds, cuts[49] * 1e3, cuts[98] * 1e3)


def _in_processes(port: int, seconds: float, clients: int) -> list[list[float]]:
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        return pool.starmap(_ask_on, [(port, seconds)] * clients)


def _ask_on(port: int, seconds: float) -> list[float]:
    """The seconds each request took. Raises when one is not answered by 200."""
    took = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            wire.sendall(_REQUEST)
            answer = wire.recv(4096)
            while b"\r\n\r\n" not in answer or not _whole(answer):
                answer += wire.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"port {port} answered {answer[:80]!r}")
            took.append(time.perf_counter() - began)
    return took


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return len(body) >= int(lengths[0]) if lengths else True
