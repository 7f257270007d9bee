"""How the daemon's log looks: one line an event, `key=value` for people or one JSON object for machines.

Secrets are safe by type: a Secret prints as `***` in both forms.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import IO, Any, Literal

from edgetender.clock import rfc3339

Format = Literal["text", "json"]
# syslog(3)'s priorities: the journal reads them off the line's beginning and takes them away
_PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}
_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(32), 127) if chr(code) not in "\n\t"}
_NOISY = ("urllib3", "docker", "uvicorn", "asyncio")


_KEPT_LINES = 500


class Recent(logging.Handler):
    """The newest lines as text, for a support bundle: not everywhere does a journal keep them. Threads: any."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(TextLines())
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))

    def lines(self) -> tuple[str, ...]:
        """Oldest first."""
        with self.lock or nullcontext():
            return tuple(self._kept)


def configure(level: str, form: Format, stream: IO[str] | None = None) -> Recent:
    """Send what this process logs to *stream* (stderr), from *level* on; return where the newest of it is kept."""
    to_journal = stream is None and bool(os.environ.get("JOURNAL_STREAM"))
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines(to_journal=to_journal))
    root = logging.getLogger()
    recent = Recent()
    root.handlers[:] = [handler, recent]
    root.setLevel(level)
    for name in _NOISY:  # what they say at INFO is of no use to who tends a device
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return recent


class TextLines(logging.Formatter):
    """`2026-11-24T08:15:30.123Z INFO    container started  module=scorer again=false`."""

    def __init__(self, *, to_journal: bool = False) -> None:
        super().__init__()
        self._to_journal = to_journal

    def format(self, record: logging.LogRecord) -> str:
        said = "".join(f" {key}={_text(value)}" for key, value in _fields(record).items())
        line = record.getMessage() + (f" {said}" if said else "")
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        priority = f"<{_PRIORITIES.get(record.levelname, 6)}>" if self._to_journal else ""
        head = priority or f"{_moment(record)} {record.levelname:<7} "
        # what is quoted from outside must not look like a line of ours; the journal reads each line by itself
        return head + line.translate(_CONTROLS).replace("\n", f"\n{priority}  ")


class JsonLines(logging.Formatter):
    """One object a line: time, level, message, logger, and the record's fields beside them."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            said["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps({**_fields(record), **said}, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _text(value: Any) -> str:
    match value:
        case bool() | None:
            return json.dumps(value)
        case str() if value.isprintable() and value and not any(mark in value for mark in ' "='):
            return value
        case int() | float():
            return str(value)
        case list() | tuple() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return json.dumps(str(value), ensure_ascii=False)


def _moment(record: logging.LogRecord) -> str:
    return rfc3339(datetime.fromtimestamp(record.created, UTC))
