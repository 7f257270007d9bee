"""`edgetender restart MODULE`: end its container and start it again."""

from __future__ import annotations

from urllib.parse import quote

import click

from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import decided, finish, followed, restarted


@click.command()
@options
@click.argument("module")
@click.option("--wait/--no-wait", default=True, help="Whether to wait until it is ready again.")
@click.option("--timeout", type=click.FloatRange(0), default=120, show_default=True, metavar="SECONDS")
@click.pass_obj
def restart(session: Session, module: str, wait: bool, timeout: float) -> Exit:
    """Restart a module."""
    client = session.client()
    before = next((one["since"] for one in client.status()["modules"] if one["name"] == module), None)
    delivery = client.post(f"/v1/modules/{quote(module, safe='')}/restart")["delivery"]
    decision = decided(client, delivery)

    def follow() -> tuple[Exit, str]:
        return followed(client, restarted(module, before), timeout)

    return finish(session, "Restarted", delivery, decision, follow if wait else None)
