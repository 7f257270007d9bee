"""`edgetender restart MODULE`: end its container and start it again."""

from __future__ import annotations

from urllib.parse import quote

import click

from edgetender.cli.completion import module_names
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import decided, finish, followed, restarted, span


@click.command()
@options
@click.argument("module", shell_complete=module_names)
@click.option("--wait/--no-wait", default=True, help="Whether to wait until it is ready again.")
@click.option(
    "--timeout", metavar="SPAN", callback=span, default="2m", show_default=True, help="How long to wait."
)
@click.pass_obj
def restart(session: Session, module: str, wait: bool, timeout: float) -> Exit:
    """Restart a module."""
    client = session.client()
    before = client.status()
    delivery = client.post(f"/v1/modules/{quote(module, safe='')}/restart")["delivery"]
    decision = decided(session, client, delivery)

    def follow() -> tuple[Exit, str]:
        return followed(session, client, restarted(module, before), before, timeout)

    return finish(session, "Restarted", delivery, decision, follow if wait else None)
