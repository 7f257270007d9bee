"""What became of a wish? Asks the agent until it is decided, and then until the device has followed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from edgetender.api.client import Client
from edgetender.cli.output import Command, Exit, Session, say
from edgetender.cli.progress import modules
from edgetender.cli.words import ending, waiting_words
from edgetender.model.topics import DesiredCode

_DECIDED_WITHIN_S = 15.0
_ASK_EVERY_S = 0.2
_LONGEST = "10m"
_NO_WAIT = "edgetender.no_wait"
_SPAN = re.compile(
    r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?"
)  # what quantity.py reads, without pydantic
CODES = {
    DesiredCode.RUNNING: Exit.OK,
    DesiredCode.APPLYING: Exit.OK,
    DesiredCode.INVALID: Exit.INVALID,
    404: Exit.NOT_FOUND,
    DesiredCode.IN_PART: Exit.ROLLED_BACK,
    DesiredCode.ROLLED_BACK: Exit.ROLLED_BACK,
}


def span(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Seconds of an option such as 5m, or of a bare number."""
    parts = _SPAN.fullmatch(value)
    if parts is None or not value:
        raise click.BadParameter(f"{value!r} is no span; write it like 90s, 5m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + seconds


def waits(command: Command) -> Command:
    """Give *command* `--wait [SPAN]` and `--no-wait`: both arrive as *timeout*, None for no wait at all."""
    wait = click.option(
        "--wait",
        "--timeout",
        "timeout",
        metavar="[SPAN]",
        is_flag=False,
        flag_value=_LONGEST,
        default=_LONGEST,
        callback=_unless_no_wait,
        show_default=True,
        help="How long to wait until the version is accepted.",
    )
    no_wait = click.option(
        "--no-wait", is_flag=True, expose_value=False, is_eager=True, callback=_no_wait,
        help="Do not wait.",
    )  # fmt: skip
    return wait(no_wait(command))


def _no_wait(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[_NO_WAIT] = value


def _unless_no_wait(context: click.Context, option: click.Parameter, value: str) -> float | None:
    seconds = span(context, option, value)
    return None if context.meta.get(_NO_WAIT) else seconds


Judge = Callable[[Any], tuple[Exit, str] | None]
Follow = Callable[[], tuple[Exit, str]]


def following(status: Any) -> int:
    """The version after every one that *status* knows of, for a document that has none of its own."""
    return 1 + max(status[key] or 0 for key in ("version", "candidate", "lastDesiredVersion"))


def decided(session: Session, client: Client, delivery: int) -> Any:
    """The agent's decision on *delivery*; None when it took too long."""
    deadline = session.monotonic() + _DECIDED_WITHIN_S
    while session.monotonic() < deadline:
        decision = client.document(f"/v1/decisions/{delivery}")
        if decision["decided"]:
            return decision
        session.pause(_ASK_EVERY_S)
    return None


def followed(
    session: Session, client: Client, judge: Judge, before: Any, timeout_s: float
) -> tuple[Exit, str]:
    """Ask for the status until *judge* comes to a result; show each module's changes since *before* on the way."""
    deadline = session.monotonic() + timeout_s
    with modules(before["modules"]) as show:
        while True:
            status = client.status()
            show(status["modules"])
            if (result := judge(status)) is not None:
                return result
            if session.monotonic() >= deadline:
                said = (
                    f"not there after {timeout_s:g} s{_because(status)}; the agent goes on: edgetender status"
                )
                return Exit.TIMED_OUT, said
            session.pause(_ASK_EVERY_S)


def accepted(decision: Any, before: Any, *, now: bool = False) -> Judge:
    """Is the version of *decision* the accepted one, does it wait, or did the device turn away from it?

    *now*: no window and no module is waited for, though the last status may say so yet.

    A decision is told before the cycle that made it has published its status: what the status said *before*
    the wish is no verdict on it.
    """
    version, epoch = decision["version"], decision.get("epoch")

    def on_trial(status: Any) -> bool:
        return status["candidate"] == version and epoch in (None, status.get("candidateEpoch"))

    def runs(status: Any) -> bool:
        found = status["version"] == version and epoch in (None, status.get("epoch"))
        return found and status["candidate"] is None

    tried = on_trial(before)

    def judge(status: Any) -> tuple[Exit, str] | None:
        nonlocal tried
        candidate, last = status["candidate"], status["lastDesiredStatus"]
        waits = {
            what: one for what, one in status["waits"].items() if not now or one["code"] == "hold.operator"
        }
        if on_trial(status) and waits:
            return Exit.WAITING, f"version {version} waits: {waiting_words(waits)}{ending(waits)}"
        if runs(status) and last and last["code"] == DesiredCode.IN_PART:
            return Exit.ROLLED_BACK, f"version {version} is accepted in part: {last['description']}"
        if runs(status):
            return Exit.OK, f"version {version} is accepted"
        told = status["lastDesiredVersion"] == version and last not in (None, before["lastDesiredStatus"])
        told = told and last["description"] != decision["description"]  # of the one that was left for it
        if told and last["code"] not in (DesiredCode.RUNNING, DesiredCode.APPLYING):
            said = f"version {version}: {last['description']}{_stays(status)}{_more(version, last)}"
            return CODES.get(last["code"], Exit.FAILED), said
        if candidate not in (version, None, before["candidate"]):
            return Exit.FAILED, f"version {version} was superseded by version {candidate}"
        if tried and candidate is None:
            return Exit.ROLLED_BACK, f"version {version} was taken back (edgetender history){_stays(status)}"
        tried = tried or on_trial(status)
        return None

    return judge


def restarted(module: str, before: Any) -> Judge:
    """Is *module* ready again, later than *before*?"""
    since = next((one["since"] for one in before["modules"] if one["name"] == module), None)

    def judge(status: Any) -> tuple[Exit, str] | None:
        for one in status["modules"]:
            if one["name"] == module and one["ready"] and one["since"] != since:
                return Exit.OK, f"{module} is ready again"
        return None

    return judge


def finish(
    session: Session, kind: str, delivery: int, decision: Any, follow: Follow | None, *, told: bool = False
) -> Exit:
    """Say what became of *delivery*, after waiting for it where *follow* is given; return the exit code.

    *told*: why it was not taken was said already, fault by fault.
    """
    began = session.monotonic()
    if decision is None:
        code = Exit.TIMED_OUT
        text = f"delivery {delivery} is written down, but not decided yet: edgetender status"
    else:
        code, text = CODES.get(decision["code"], Exit.FAILED), decision["description"]
        if decision["code"] == DesiredCode.APPLYING:
            text = f"version {decision['version']}: {text}"
        if code is Exit.OK and follow is not None:
            if not session.quiet:
                say(text)
            code, text = follow()
            text += f", {session.monotonic() - began:.1f} s" if code is Exit.OK else ""
    style = session.style()
    if not session.for_people:
        document = {"kind": kind, "exit": int(code), "result": text, "decision": decision}
        session.print_document({"apiVersion": "edgetender/v1"} | document)
    elif code in (Exit.OK, Exit.WAITING):
        mark = style.mark("✓", "[ok]", "green") if code is Exit.OK else style.mark("◌", "[..]", "yellow")
        session.print_lines([f"{mark} {style.short(text)}"])
    elif not told:
        say(f"{style.mark('✗', '[xx]')} {style.short(text)}")
    return code


def _because(status: Any) -> str:
    """What the first module that is not as it should be says of it."""
    whys = (f" ({one['name']}: {one['why'].splitlines()[0]})" for one in status["modules"] if one["why"])
    return next(whys, "")


def _more(version: int, last: Any) -> str:
    """Where the last words of what failed are, if the agent itself took the version back."""
    by_itself = last["description"].startswith("rolled back: ")
    return f"; what became of it: edgetender history {version} --events" if by_itself else ""


def _stays(status: Any) -> str:
    return "" if status["version"] is None else f"; version {status['version']} goes on"
