"""`edgetender facts export`: everything that choosing a variant depends on, to be replayed elsewhere."""

from __future__ import annotations

import json

import click

from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options


@click.group(cls=Group)
@options
def facts() -> None:
    """Save what variants are chosen by, for `explain --facts` on another machine."""


@facts.command()
@options
@click.pass_obj
def export(session: Session) -> Exit:
    """Print facts, manifest and history of failures as one JSON document; environments are left out."""
    body = session.client().get("/v1/facts")
    if session.for_people:
        click.echo(json.dumps(json.loads(body), indent=1, ensure_ascii=True))
    else:
        session.print_body(body)
    return Exit.OK
