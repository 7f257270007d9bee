"""What is a check, and what can it find? Values: how a finding was come by is each check's own file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetender.checks.device import Device


class Severity(StrEnum):
    """How bad it is. Only `error` makes `edgetender check` exit 7."""

    OK = "ok"
    WARN = "warn"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found. *repair* is a command to copy, or what to change where no command can.

    *ends*: until when each certificate is good that was looked at, by its file or by who shows it.
    """

    severity: Severity
    said: str
    repair: str = ""
    ends: tuple[tuple[str, datetime], ...] = ()


def ok(said: str) -> Finding:
    return Finding(Severity.OK, said)


def warn(said: str, repair: str) -> Finding:
    return Finding(Severity.WARN, said, repair)


def fail(said: str, repair: str) -> Finding:
    return Finding(Severity.ERROR, said, repair)


def skip(said: str) -> Finding:
    return Finding(Severity.SKIPPED, said)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the device. *why* says what goes wrong where the answer is no.

    *run* looks and judges; it may take some seconds and may raise AgentError, which counts as a failure.
    *needs* are checks whose failure would only be repeated by this one. *fix* repairs what is safe to repair
    without asking (nothing is deleted, nothing restarted) and says what it did; "" for nothing.
    """

    id: str
    title: str
    group: str
    why: str
    run: Callable[[Device], Finding]
    needs: tuple[str, ...] = ()
    fix: Callable[[Device], str] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A check and what it found; *fixed* says what its fix did before that.

    *follows* is the check whose failure it would only have repeated.
    """

    check: Check
    finding: Finding
    fixed: str = ""
    follows: str = ""
