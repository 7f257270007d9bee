"""`edgetender version`: which edgetender is this?"""

from __future__ import annotations

import click

from edgetender import __version__
from edgetender.cli.output import Exit, Session, options


@click.command()
@options
@click.pass_obj
def version(session: Session) -> Exit:
    """Print the version."""
    if session.for_people:
        click.echo(f"edgetender {__version__}")
    else:
        session.print_document({"apiVersion": "edgetender/v1", "kind": "Program", "version": __version__})
    return Exit.OK
