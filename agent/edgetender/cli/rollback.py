"""`edgetender rollback`: go back to an earlier version that is kept on this device."""

from __future__ import annotations

import json

import click

from edgetender.cli.completion import versions
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import accepted, decided, finish, followed


@click.command()
@options
@click.option(
    "--to",
    type=click.IntRange(1),
    metavar="VERSION",
    shell_complete=versions,
    help="Default: the one before.",
)
@click.option("--wait/--no-wait", default=True, help="Whether to wait until the version is accepted.")
@click.option("--timeout", type=click.FloatRange(0), default=600, show_default=True, metavar="SECONDS")
@click.pass_obj
def rollback(session: Session, to: int | None, wait: bool, timeout: float) -> Exit:
    """Return to an earlier version; needs no network."""
    client = session.client()
    before = client.status()
    delivery = client.post("/v1/rollback", json.dumps({"to": to}).encode())["delivery"]
    decision = decided(session, client, delivery)

    def follow() -> tuple[Exit, str]:
        return followed(session, client, accepted(decision["version"], before), before, timeout)

    return finish(session, "RolledBack", delivery, decision, follow if wait else None)
