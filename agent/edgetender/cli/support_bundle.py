"""`edgetender support-bundle`: one file for who shall help, without a secret in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from edgetender import __version__
from edgetender.api.client import Unreachable
from edgetender.cli.output import Exit, Session, options_but_format, say
from edgetender.errors import AgentError, Permanent


@click.command("support-bundle")
@options_but_format
@click.option(
    "-o", "--output", "where", metavar="FILE", help="Where to; - is stdout. Else a name with the time."
)
@click.option("--since", default="-24h", metavar="WHEN", help="How far back the agent's own log goes.")
@click.option("--plugins", type=click.Path(path_type=Path), help="A folder with programs to run for it, too.")
@click.pass_obj
def support_bundle(session: Session, where: str | None, since: str, plugins: Path | None) -> Exit:
    """Gather status, checks, logs and what this machine says of itself into one archive (tar.gz).

    Passwords, tokens, keys and values of environment variables are taken out. Also without an agent.
    """
    from edgetender.support.bundle import Bundle
    from edgetender.support.collecting import PLUGINS

    if session.is_remote:
        raise click.UsageError(
            "it gathers what is on the device: ssh HOST edgetender support-bundle -o - > FILE"
        )
    client, now = session.client(), session.now()
    name = _device(session)
    root = f"edgetender-{name}-{now:%Y%m%dT%H%M%SZ}"
    secrets, engine = _configured()
    bundle = Bundle(client, secrets, since=since, plugin_folder=plugins or PLUGINS, engine=engine)
    if where == "-":
        bundle.write(sys.stdout.buffer, root, now, __version__)
    else:
        path = Path(where or f"{root}.tar.gz")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise Permanent(
                f"cannot write {path}: {error.strerror}; name another by -o, or - for stdout"
            ) from error
        with os.fdopen(descriptor, "wb") as stream:
            bundle.write(stream, root, now, __version__)
        say(f"wrote {path}")
    for problem in bundle.problems:
        say(f"not in it: {problem}")
    return Exit.OK


def _device(session: Session) -> str:
    try:
        return str(session.client().status()["device"])
    except (Unreachable, AgentError):
        from socket import gethostname

        return gethostname()


def _configured() -> tuple[set[str], str]:
    """The passwords of this device's credentials, as far as this user may read them; where the engine answers."""
    from edgetender.config import load
    from edgetender.support.credentials import credentials_in

    try:
        settings = load()
    except AgentError:
        return set(), ""
    credentials = credentials_in(settings.credentials.directory, settings.received_credentials)
    return credentials, settings.engine.socket
