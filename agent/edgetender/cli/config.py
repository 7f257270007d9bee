"""`edgetender config`: what is configured here, which line says so, and is it sound?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgetender.cli.output import Exit, Session, options, say_problems, table
from edgetender.errors import ConfigInvalid

_FILE = click.option(
    "--config", "file", type=click.Path(path_type=Path), help="Instead of the installed files."
)


@click.group()
@options
def config() -> None:
    """Show or check the agent's configuration files."""


@config.command()
@options
@_FILE
@click.option("--origin", is_flag=True, help="Also say where each value was written.")
@click.pass_obj
def show(session: Session, file: Path | None, origin: bool) -> Exit:
    """Show every value."""
    from edgetender.api.answers import config as answer
    from edgetender.config import load

    entries = load(file).entries()
    if session.for_people:
        wide = origin or session.output == "wide"
        rows = [[key, _spelled(value), *([where] if wide else [])] for key, value, where in entries]
        session.print_lines(table(rows, ("KEY", "VALUE", "ORIGIN") if wide else ("KEY", "VALUE")))
    else:
        session.print_document(answer(entries))
    return Exit.OK


@config.command()
@options
@_FILE
@click.pass_obj
def check(session: Session, file: Path | None) -> Exit:
    """Name every fault with its file and line."""
    from edgetender.config import files, load

    problems: tuple[Any, ...] = ()
    try:
        load(file)
    except ConfigInvalid as error:
        problems = error.problems
    if not session.for_people:
        told = [{"path": one.path, "code": one.code, "message": one.message} for one in problems]
        session.print_document({"apiVersion": "edgetender/v1", "kind": "ConfigCheck", "problems": told})
    elif problems:
        say_problems(problems)
    else:
        read = ", ".join(map(str, files(file))) or "no file, only defaults"
        click.echo(f"configuration is sound: {read}")
    return Exit.INVALID if problems else Exit.OK


def _spelled(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
