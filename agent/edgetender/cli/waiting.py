"""What became of a wish? Asks the agent until it is decided, and then until the device has followed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from edgetender.api.client import Client
from edgetender.cli.output import Exit, Session, say
from edgetender.cli.words import share, size

_DECIDED_WITHIN_S = 15.0
_ASK_EVERY_S = 0.2
_STEPS = 10  # how often the progress of a pull is said
CODES = {200: Exit.OK, 406: Exit.OK, 400: Exit.INVALID, 404: Exit.NOT_FOUND, 417: Exit.ROLLED_BACK}
_APPLYING = 406

Judge = Callable[[Any], tuple[Exit, str] | None]
Follow = Callable[[], tuple[Exit, str]]


def decided(client: Client, delivery: int) -> Any:
    """The agent's decision on *delivery*; None when it took too long."""
    deadline = time.monotonic() + _DECIDED_WITHIN_S
    while time.monotonic() < deadline:
        decision = client.document(f"/v1/decisions/{delivery}")
        if decision["decided"]:
            return decision
        time.sleep(_ASK_EVERY_S)
    return None


def followed(client: Client, judge: Judge, timeout_s: float) -> tuple[Exit, str]:
    """Ask for the status until *judge* comes to a result; say each change of a module's state on the way."""
    said: dict[str, str] = {}
    deadline = time.monotonic() + timeout_s
    while True:
        status = client.status()
        _say_changes(status, said)
        if (result := judge(status)) is not None:
            return result
        if time.monotonic() >= deadline:
            return Exit.TIMED_OUT, f"not there after {timeout_s:g} s; the agent goes on: edgetender status"
        time.sleep(_ASK_EVERY_S)


def accepted(version: int) -> Judge:
    """Is *version* the accepted one, or did the device turn away from it?"""

    def judge(status: Any) -> tuple[Exit, str] | None:
        if status["version"] == version and status["candidate"] is None:
            return Exit.OK, f"version {version} is accepted"
        last = status["lastDesiredStatus"]
        if status["lastDesiredVersion"] == version and last["code"] not in (200, _APPLYING):
            return CODES.get(last["code"], Exit.FAILED), f"version {version}: {last['description']}"
        if status["candidate"] not in (version, None):
            return Exit.FAILED, f"version {version} was superseded by version {status['candidate']}"
        return None

    return judge


def restarted(module: str, since: str | None) -> Judge:
    """Is *module* ready again, later than *since*?"""

    def judge(status: Any) -> tuple[Exit, str] | None:
        for one in status["modules"]:
            if one["name"] == module and one["ready"] and one["since"] != since:
                return Exit.OK, f"{module} is ready again"
        return None

    return judge


def finish(session: Session, kind: str, delivery: int, decision: Any, follow: Follow | None) -> Exit:
    """Say what became of *delivery*, after waiting for it where *follow* is given; return the exit code."""
    if decision is None:
        code, text = (
            Exit.TIMED_OUT,
            f"delivery {delivery} is written down, but not decided yet: edgetender status",
        )
    else:
        code, text = CODES.get(decision["code"], Exit.FAILED), decision["description"]
        if code is Exit.OK and follow is not None:
            say(text)
            code, text = follow()
    if not session.for_people:
        told = {"kind": kind, "exit": int(code), "result": text, "decision": decision}
        session.print_document({"apiVersion": "edgetender/v1"} | told)
    elif code is Exit.OK:
        click.echo(text)
    else:
        say(text)
    return code


def _say_changes(status: Any, said: dict[str, str]) -> None:
    for module in status["modules"]:
        line = _progress(module)
        if said.get(module["name"]) != line:
            said[module["name"]] = line
            say(f"  {module['name']}  {line}")


def _progress(module: Any) -> str:
    pull = module["pull"]
    if pull and pull["totalBytes"]:
        tenths = pull["doneBytes"] * _STEPS // pull["totalBytes"]
        return f"pulling  {share(tenths / _STEPS)} of {size(pull['totalBytes'])}"
    return f"{module['state']}  {module['why']}".rstrip()
