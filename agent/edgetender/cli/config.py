"""`edgetender config`: what is configured here, which line says so, and is it sound?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options, say_problems, table
from edgetender.errors import ConfigInvalid

_FILE = click.option(
    "--config", "file", type=click.Path(path_type=Path), help="Instead of the installed files."
)


@click.group(cls=Group)
@options
def config() -> None:
    """Show or check the agent's configuration files."""


@config.command()
@options
@_FILE
@click.option("--origin", is_flag=True, help="Also say where each value was written.")
@click.option("--doc", is_flag=True, help="Also say what each means.")
@click.pass_obj
def show(session: Session, file: Path | None, origin: bool, doc: bool) -> Exit:
    """Show every value."""
    from edgetender.api.answers import config as answer
    from edgetender.config import load
    from edgetender.config.meanings import meanings

    settings = load(file)
    entries = settings.entries()
    if session.for_people:
        wide, means = origin or session.output == "wide", meanings(settings) if doc else {}
        heads = ("KEY", "VALUE", *(("ORIGIN",) if wide else ()), *(("MEANING",) if doc else ()))
        rows = [
            (key, _spelled(value), *((where,) if wide else ()), *((means.get(key, ""),) if doc else ()))
            for key, value, where in entries
        ]
        session.print_lines(table(rows, heads))
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
