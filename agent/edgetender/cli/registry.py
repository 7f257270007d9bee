"""`edgetender registry`: logs in to registries, and says which is the workspace's own."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options, say
from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.packaging.logins import Login
from edgetender.packaging.workspace import Workspace
from edgetender.secret import Secret

_PASSWORD = "EDGETENDER_REGISTRY_PASSWORD"  # noqa: S105  where it comes from, not what it is
_STORE = click.option("--store", type=click.Path(path_type=Path), help="Where logins are kept.")


@click.group(cls=Group)
def registry() -> None:
    """Log in to image registries."""


@registry.command()
@options
@click.option("--name", required=True, metavar="HOST[:PORT]", help="Where it is reached.")
@click.option("--username", help=f"The password comes from --password-stdin or {_PASSWORD}.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
@click.option(
    "--ca", type=click.Path(path_type=Path, exists=True), help="Its CA certificate; else the system's."
)
@click.option("--plain-http", is_flag=True, help="Without TLS; for a registry on this machine.")
@click.option("--default", is_flag=True, help="Make it the workspace's own; the first one is that anyhow.")
@_STORE
@click.pass_obj
def login(
    session: Session,
    name: str,
    username: str | None,
    password_stdin: bool,
    ca: Path | None,
    plain_http: bool,
    default: bool,
    store: Path | None,
) -> Exit:
    """Ask the registry whether it knows you, and keep the login for its owner's eyes only.

    Without --username it is Docker's own login that counts, from its configuration or the credential helper
    named there; that is only read, each time anew.
    """
    password = sys.stdin.read().rstrip("\n") if password_stdin else os.environ.get(_PASSWORD)
    if username is not None and not password:
        text = f"needs a password, from --password-stdin or {_PASSWORD}"
        raise ConfigInvalid((Problem("--username", "value.missing", text),))
    secret = Secret(password) if username is not None and password else None
    logins = Workspace(store).logins
    given = Login(name, username, secret, ca.absolute() if ca else None, plain_http, docker=logins.docker)
    with given.open() as opened:
        opened.sign_in()
    logins.keep(given, default=default)
    if session.for_people:
        session.print_lines(["Login Succeeded"])
    else:
        session.print_document(_document(given))
    return Exit.OK


@registry.command()
@options
@click.option("--name", metavar="HOST[:PORT]", help="Else the workspace's own.")
@click.option("--query", help="Print this value alone, such as containerRegistry.")
@_STORE
@click.pass_obj
def show(session: Session, name: str | None, query: str | None, store: Path | None) -> Exit:
    """Show the workspace's registry; passwords are not shown."""
    logins = Workspace(store).logins
    known = {one.address for one in logins.all()}
    if name is not None and name not in known:
        raise NotFound(f"cannot show the registry {name}: known are {', '.join(sorted(known)) or 'none yet'}")
    document = _document(logins.get(name) if name is not None else logins.default())
    if query is not None:
        click.echo(json.dumps(_value(document, query), ensure_ascii=False))
    elif session.for_people:
        shown = {
            key: str(value).lower() if isinstance(value, bool) else value for key, value in document.items()
        }
        session.print_lines([f"{key}: {value}" for key, value in shown.items() if value is not None])
    else:
        session.print_document(document)
    return Exit.OK


def host(name: str, workspace: Workspace) -> str:
    """Return the registry that *name* means: an address, or the first word of the one that is logged in to."""
    known = [one.address for one in workspace.logins.all()]
    matching = [address for address in known if address == name or address.split(".")[0] == name]
    if len(matching) == 1:
        return matching[0]
    if "." in name or ":" in name or name == "localhost":
        return name
    raise NotFound(f"cannot find the registry {name!r}: logged in to {', '.join(known) or 'none yet'}")


def _value(document: dict[str, Any], query: str) -> Any:
    found: Any = document
    for word in query.split("."):
        if not isinstance(found, dict) or word not in found:
            say(f"{query}: there is no such value; there are {', '.join(document)}")
            return None
        found = found[word]
    return found


def _document(one: Login) -> dict[str, Any]:
    return {
        "apiVersion": "edgetender/v1",
        "kind": "Registry",
        "containerRegistry": one.address,
        "username": one.username,
        "caFile": str(one.ca_file) if one.ca_file else None,
        "plainHttp": one.plain_http,
    }
