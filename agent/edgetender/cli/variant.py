"""`edgetender variant pin|unpin|forget`: a person's word on which variant a module runs as."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import click

from edgetender.cli.completion import module_names
from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import decided, finish


@click.group(cls=Group)
@options
def variant() -> None:
    """Say which variant a module runs as."""


@variant.command()
@options
@click.argument("module", shell_complete=module_names)
@click.argument("name")
@click.pass_obj
def pin(session: Session, module: str, name: str) -> Exit:
    """Run this variant and no other, whatever was remembered of it; it must still fit the device."""
    return _wished(session, module, "pin", name)


@variant.command()
@options
@click.argument("module", shell_complete=module_names)
@click.pass_obj
def unpin(session: Session, module: str) -> Exit:
    """Let the module run as the first variant that fits again."""
    return _wished(session, module, "unpin", None)


@variant.command()
@options
@click.argument("module", shell_complete=module_names)
@click.argument("name", required=False)
@click.pass_obj
def forget(session: Session, module: str, name: str | None) -> Exit:
    """Forget the failures of one variant, or of all: they are tried again at once."""
    return _wished(session, module, "forget", name)


def _wished(session: Session, module: str, action: str, name: str | None) -> Exit:
    client = session.client()
    wish: dict[str, Any] = {"action": action} | ({"variant": name} if name is not None else {})
    place = f"/v1/modules/{quote(module, safe='')}/variant"
    delivery = client.post(place, json.dumps(wish).encode())["delivery"]
    return finish(session, "Taken", delivery, decided(session, client, delivery), None)
