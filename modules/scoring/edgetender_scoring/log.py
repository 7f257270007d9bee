"""Where do the server's and the script's words go? To stderr, one line per event, requests in batches."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from pathlib import Path

from edgetender_scoring.message import Request, Response
from edgetender_scoring.trace import context

_PERIOD_S = 0.25


def configure(level: str, *roots: Path) -> None:
    """Log to stderr from *level* on, or as `logging.json` in the first of *roots* that has one says."""
    for root in roots:
        custom = root / "logging.json"
        if custom.is_file():
            from logging.config import dictConfig  # with what it imports, which most never need

            said = json.loads(custom.read_text(encoding="utf-8"))
            dictConfig({"disable_existing_loggers": False, **said})  # ours exist already
            return
    logging.basicConfig(
        level=level.upper() if level.upper() in logging.getLevelNamesMapping() else "INFO",
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


class PrintedLines(io.TextIOBase):
    """Takes the place of stdout: what a script prints becomes log lines of `azmlinfsrv.print`."""

    def __init__(self) -> None:
        self._log = logging.getLogger("azmlinfsrv.print")

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._log.info("%s", line)
        return len(text)


class AccessLog:
    """One line per request, written every 250 ms: a write per request costs more than the request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._log = logging.getLogger("edgetender_scoring.access")
        self._on = self._log.isEnabledFor(logging.INFO)
        self._lines: list[str] = []
        self._due = False

    def note(self, request: Request, response: Response, seconds: float) -> None:
        """Keep a line of this; requests that are part of a trace (W3C `traceparent`) say which."""
        if not self._on:
            return
        where = "/score" if request.path == b"/score" else _printable(request.path)
        line = f"{request.method} {where} {response.status} {seconds * 1e3:.3f}ms {len(response.body)}"
        if request.traceparent is not None and (found := context(request.traceparent)):
            line = f"{line} trace={found.trace}"
        self._lines.append(line)
        if not self._due:
            self._due = True
            self._loop.call_later(_PERIOD_S, self.flush)

    def flush(self) -> None:
        """Write what has gathered."""
        self._due = False
        if self._lines:
            self._log.info("%s", "\n".join(self._lines))
            self._lines.clear()


def _printable(path: bytes) -> str:
    """The path in one line: no line break gets through."""
    return path.decode("latin-1").encode("unicode_escape").decode()[:200]
