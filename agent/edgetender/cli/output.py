"""What every command shares: exit codes, the session, options, and how answers are printed."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgetender.errors import Problem, WithProblems
from edgetender.model.meaning import Code

if TYPE_CHECKING:
    from pathlib import Path

    from edgetender.api.client import Client

FORMATS = ("table", "wide", "json", "yaml")
_ASCII = str.maketrans({"·": "-", "→": "->", "…": "...", "\u00d7": "x", "≥": ">=", "≤": "<="})
# what a terminal would obey instead of show; modules, manifests and brokers have written parts of what is shown
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_DIGEST = r"(sha256:[0-9a-f]{12})[0-9a-f]{52}\b"
Command = TypeVar("Command", bound=Callable[..., Any])


class Exit(Code):
    """What the process's exit code says. An API: scripts branch on it."""

    OK = 0, "done"
    FAILED = 1, "it did not work, or the device refused the manifest; stderr says why"
    USAGE = 2, "wrong arguments"
    UNREACHABLE = 3, "no agent answers"
    NOT_FOUND = 4, "no such module, version or file"
    PERMISSION = 5, "not allowed: join the agent's group"
    INVALID = 6, "the manifest or the configuration has faults; each is named with its place"
    DEGRADED = 7, "`status --exit-code`: the device is not healthy; `check`: something failed"
    CHANGES_PENDING = 8, "`plan --detailed-exitcode`: something would change"
    TIMED_OUT = 9, "waited long enough; the agent goes on"
    ROLLED_BACK = 10, "applied, not good, and taken back"
    WAITING = 11, "taken, and waits for a maintenance window or for the end of a hold"
    CONFIG = 78, "`daemon`: the configuration has faults (EX_CONFIG: systemd does not start it again)"
    INTERRUPTED = 130, "Ctrl-C"


@dataclass(slots=True)
class Session:
    """How this run of the command line answers; options before or after the command set it.

    Its times are replaced by tests: *now* is wall time, *monotonic* and *pause* are for waiting, in seconds.
    """

    host: str = ""
    output: str = "table"
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    def client(self) -> Client:
        """The daemon's API: --host, $EDGETENDER_HOST, or the socket that the configuration names.

        Who may not open that one, but the one beside it that only reads, is given this.
        """
        from edgetender.api.client import Client
        from edgetender.config import READ_ONLY, admin_socket

        heard = say if self.verbose else None
        if self.named:
            return Client(self.named, heard)
        path = admin_socket()
        reading = path.with_name(READ_ONLY)
        if path.exists() and not os.access(path, os.W_OK) and os.access(reading, os.W_OK):
            path = reading
        return Client(f"unix://{path}", heard)

    @property
    def named(self) -> str:
        """The agent somebody named; empty for the one of this device."""
        return self.host or os.environ.get("EDGETENDER_HOST", "")

    @property
    def is_remote(self) -> bool:
        """Whether another device is asked: what this one shows by itself is no answer then."""
        return self.named.startswith("ssh:")

    @property
    def for_people(self) -> bool:
        return self.output in ("table", "wide")

    def style(self) -> Style:
        return Style(colored=_colored(self.color, sys.stdout.isatty()), plain=_plain_text_only())

    def print_document(self, document: Any, *, one_of_many: bool = False) -> None:
        """*document* in the machine's format that was asked for; *one_of_many* begins it so that more can follow."""
        if self.output == "yaml":
            import yaml

            text = yaml.safe_dump(
                document, sort_keys=False, allow_unicode=_utf8(), explicit_start=one_of_many
            )
            click.echo(text, nl=False)
        else:
            click.echo(json.dumps(document, ensure_ascii=not _utf8()))

    def print_body(self, body: bytes) -> None:
        """The API's answer: unchanged for json."""
        if self.output == "json":
            click.echo(body.decode() if _utf8() else json.dumps(json.loads(body)))
        else:
            self.print_document(json.loads(body))

    def print_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            click.echo(line, color=True)  # styled already, or not, by the style above


@dataclass(frozen=True, slots=True)
class Style:
    """Marks and colours. State is never shown by colour alone."""

    colored: bool = False
    plain: bool = False

    def paint(self, text: str, color: str) -> str:
        return click.style(text, fg=color) if self.colored and color else text

    def mark(self, pretty: str, plain: str, color: str = "") -> str:
        return self.paint(plain if self.plain else pretty, color)

    def words(self, text: str) -> str:
        """*text* in one line that any terminal shows and none obeys; unstyled, ASCII where only that can be shown."""
        line = text.translate(_CONTROLS).replace("\n", " ")
        return line.translate(_ASCII) if self.plain else line

    def short(self, text: str) -> str:
        """*text* with its image digests cut to what tells them apart."""
        return self.words(re.sub(_DIGEST, r"\1…", text))


def options(command: Command) -> Command:
    """Give *command* the options that every command has; they may also stand before it."""
    return _shared(command, "-o", "--output")


def options_but_output(command: Command) -> Command:
    """The same, for a command whose own --output says where something is written: -o alone is the format."""
    return _shared(command, "-o")


def options_but_format(command: Command) -> Command:
    """The same, for a command whose answer has one format only: its own -o says where it is written."""
    return _shared(command)


def _shared(command: Command, *output: str) -> Command:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None and parameter.name is not None:
            setattr(context.ensure_object(Session), parameter.name, value)

    form = click.option(
        *output, "output", type=click.Choice(FORMATS), callback=keep, expose_value=False,
        help="How to print the answer; json is the API's, unchanged.",
    )  # fmt: skip
    shared = (
        *((form,) if output else ()),
        click.option(
            "--color", type=click.Choice(("auto", "always", "never")), callback=keep, expose_value=False,
            help="Whether to colour; auto heeds NO_COLOR and the terminal.",
        ),
        click.option(
            "-H", "--host", callback=keep, expose_value=False, metavar="unix://PATH|ssh://HOST",
            help="The agent's admin socket, or the device as ssh reaches it.",
        ),
        click.option(
            "-q", "--quiet", is_flag=True, default=None, callback=keep, expose_value=False,
            help="No progress on stderr: results and what went wrong alone.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, default=None, callback=keep, expose_value=False,
            help="Also on stderr: what the agent is asked, and what lies behind an error.",
        ),
    )  # fmt: skip
    for option in reversed(shared):
        command = option(command)
    return command


def table(rows: Sequence[Sequence[str]], heads: Sequence[str] = (), indent: str = "") -> list[str]:
    """Columns as wide as their widest cell; colours do not count. Lines end without spaces."""
    lines = [list(heads), *map(list, rows)] if heads else [list(row) for row in rows]
    widths = (
        [max(len(click.unstyle(row[column])) for row in lines) for column in range(len(lines[0]))]
        if lines
        else []
    )
    return [
        indent
        + "  ".join(
            cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in lines
    ]


def say(text: str) -> None:
    """A message for people: stderr, so that stdout stays data."""
    click.echo(plain(text), err=True)


def plain(text: str) -> str:
    """*text* without what a terminal would obey."""
    return text.translate(_CONTROLS)


@contextmanager
def faults_of(file: Path) -> Iterator[None]:
    """What is wrong with *file* is said with its name: exit 6."""
    try:
        yield
    except WithProblems as error:
        for one in error.problems:
            say(f"{file}  error  {one} [{one.code}]")
        raise click.exceptions.Exit(Exit.INVALID) from error


def say_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        say(f"{problem} [{problem.code}]")


def say_causes(error: BaseException) -> None:
    """What lies behind *error*, the nearest first."""
    while (cause := error.__cause__ or error.__context__) is not None:
        say(f"  because of {type(cause).__name__}: {cause}")
        error = cause


def _colored(wish: str, terminal: bool) -> bool:
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return terminal and os.environ.get("TERM") != "dumb"


def _plain_text_only() -> bool:
    return not _utf8() or os.environ.get("TERM") == "dumb"


def _utf8() -> bool:
    if os.environ.get("LC_ALL") in (
        "C",
        "POSIX",
    ):  # Python speaks UTF-8 then all the same, the terminal may not
        return False
    return (sys.stdout.encoding or "ascii").lower().replace("-", "") == "utf8"
