"""How does a module send messages? As any HTTP client does, at the socket that the agent shows it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Said:
    """What was answered; *retry_s* is that of Retry-After."""

    status: int
    document: Any
    retry_s: int | None = None

    @property
    def code(self) -> str:
        return str(self.document["error"]["code"])


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=15)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(self._path))


def post(
    path: Path,
    stream: str,
    body: bytes,
    headers: Mapping[str, str] = JSON,
    *,
    method: str = "POST",
    target: str = "/v1/messages/",
) -> Said:
    """Send *body* to *stream* at the socket *path*."""
    connection = _Connection(path)
    try:
        connection.request(method, target + stream, body, dict(headers))
        answer = connection.getresponse()
        retry = answer.getheader("Retry-After")
        return Said(answer.status, json.loads(answer.read()), int(retry) if retry else None)
    finally:
        connection.close()


def exchange(path: Path, words: bytes) -> bytes:
    """Whatever is answered to *words*, as they are."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(words)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while more := connection.recv(65536):
            found += more
        return found


def static_sender(cache: Path) -> bytes:
    """A program for any container, made of sender.c. Skips the test without a C compiler."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    source, built = Path(__file__).with_name("sender.c"), cache / "sender"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        fresh = cache / f"sender-{os.getpid()}"
        subprocess.run([compiler, "-static", "-Os", "-o", fresh, source], check=True, timeout=60)
        fresh.replace(built)
    return built.read_bytes()
