"""`edgetender hold` and `release`: let nothing change on this device for a while, or one module."""

from __future__ import annotations

import json

import click

from edgetender.cli.broker import duration
from edgetender.cli.completion import module_names
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import decided, finish


def _seconds(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
    return duration(context, option, value) if value is not None else None


@click.command()
@options
@click.argument("module", required=False, shell_complete=module_names)
@click.option(
    "--for", "for_s", metavar="DURATION", callback=_seconds, help="Such as 2h; else until it is released."
)
@click.option(
    "--reason", default="", metavar="TEXT", help="What others are told who ask why nothing changes."
)
@click.pass_obj
def hold(session: Session, module: str | None, for_s: float | None, reason: str) -> Exit:
    """Let new versions wait: all, or those that would change MODULE.

    What runs is kept running. An update that has begun is brought to its end first. The hold outlives the
    agent's restarts; `edgetender release` ends it.
    """
    client = session.client()
    wish = {"module": module, "for_s": for_s, "reason": reason}
    delivery = client.post("/v1/hold", json.dumps(wish).encode())["delivery"]
    return finish(session, "Held", delivery, decided(session, client, delivery), None)


@click.command()
@options
@click.argument("module", required=False, shell_complete=module_names)
@click.pass_obj
def release(session: Session, module: str | None) -> Exit:
    """End a hold; without MODULE all of them."""
    client = session.client()
    delivery = client.post("/v1/release", json.dumps({"module": module}).encode())["delivery"]
    return finish(session, "Released", delivery, decided(session, client, delivery), None)
