"""`edgetender logs MODULE`: what a module's container said."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote, urlencode

import click

from edgetender.cli.completion import module_names
from edgetender.cli.output import Exit, Session, options
from edgetender.clock import parse_rfc3339, rfc3339


@click.command()
@options
@click.argument("module", shell_complete=module_names)
@click.option("-f", "--follow", is_flag=True, help="Go on with what it says from now.")
@click.option("--tail", type=click.IntRange(0, 100_000), metavar="LINES", help="Only the last lines.")
@click.option("--since", metavar="WHEN", help="A span such as 10m, or a time such as 2026-11-24T08:00:00Z.")
@click.option("--grep", metavar="REGEX", help="Only lines in which it is found.")
@click.option("--prefix", is_flag=True, help="Begin each line with the module's name.")
@click.pass_obj
def logs(
    session: Session,
    module: str,
    follow: bool,
    tail: int | None,
    since: str | None,
    grep: str | None,
    prefix: bool,
) -> Exit:
    """Show a module's log."""
    wanted = _pattern(grep)
    query = {"follow": "1"} if follow else {}
    if tail is not None:
        query["tail"] = str(tail)
    if since is not None:
        query["since"] = _moment(session, since)
    target = f"/v1/logs/{quote(module, safe='')}?{urlencode(query)}"
    for line in session.client().lines(target):
        if wanted is not None and not wanted.search(line):
            continue
        if session.for_people:
            click.echo(f"{module} | {line}" if prefix else line)
        else:
            session.print_document({"module": module, "line": line}, one_of_many=True)
    return Exit.OK


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text is not None else None
    except re.error as error:
        raise click.BadParameter(
            f"{text!r} is no regular expression: {error}", param_hint="--grep"
        ) from error


def _moment(session: Session, since: str) -> str:
    from edgetender.model.quantity import parse_duration

    try:
        return rfc3339(parse_rfc3339(since))
    except ValueError:
        pass
    try:
        return rfc3339(session.now() - timedelta(seconds=parse_duration(since)))
    except ValueError as error:
        raise click.BadParameter(
            f"{since!r} is neither a span (10m) nor a time", param_hint="--since"
        ) from error
