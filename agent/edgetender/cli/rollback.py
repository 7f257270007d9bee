"""`edgetender rollback`: go back to an earlier version that is kept on this device."""

from __future__ import annotations

import json

import click

from edgetender.cli.completion import versions
from edgetender.cli.edition import edition
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.plan import show_plan
from edgetender.cli.waiting import accepted, decided, finish, followed, waits


@click.command()
@options
@click.option(
    "--to",
    callback=edition,
    metavar="VERSION",
    shell_complete=versions,
    help="Default: the one before.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@waits
@click.pass_obj
def rollback(session: Session, to: int | str | None, dry_run: bool, timeout: float | None) -> Exit:
    """Return to an earlier version; needs no network.

    What is left does not come back by itself: from upstream the next one needs a higher version.
    """
    client = session.client()
    if dry_run:
        show_plan(session, client.get(f"/v1/rollback{f'?to={to}' if to else ''}"))
        return Exit.OK
    before = client.status()
    delivery = client.post("/v1/rollback", json.dumps({"to": to}).encode())["delivery"]
    decision = decided(session, client, delivery)

    def follow() -> tuple[Exit, str]:
        return followed(session, client, accepted(decision, before), before, timeout or 0.0)

    return finish(session, "RolledBack", delivery, decision, follow if timeout is not None else None)
