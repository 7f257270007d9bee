"""`edgetender logs MODULE`: what a module's container said."""

from __future__ import annotations

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
@click.pass_obj
def logs(session: Session, module: str, follow: bool, tail: int | None, since: str | None) -> Exit:
    """Show a module's log."""
    query = {"follow": "1"} if follow else {}
    if tail is not None:
        query["tail"] = str(tail)
    if since is not None:
        query["since"] = _moment(session, since)
    target = f"/v1/logs/{quote(module, safe='')}?{urlencode(query)}"
    for line in session.client().lines(target):
        if session.for_people:
            click.echo(line)
        else:
            session.print_document({"module": module, "line": line}, one_of_many=True)
    return Exit.OK


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
