"""`edgetender trust` and `edgetender init`: whose word does this device take? Run them as root, on the device."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgetender.cli.group import Group
from edgetender.cli.keys import told
from edgetender.cli.output import Exit, Session, faults_of, options
from edgetender.cli.waiting import decided, finish
from edgetender.errors import NotFound, Permanent

_PATH = click.Path(path_type=Path)


@click.command()
@options
@click.option("--root", type=_PATH, required=True, help="The trust root, as edgetender keys init made it.")
@click.pass_obj
def init(session: Session, root: Path) -> Exit:
    """Make this device take signed manifests only: install its first trust root.

    Compare the keys it names with those of the signers: whoever installs a root vouches for it.
    """
    from edgetender.config import load
    from edgetender.fleet.keyring import read, write
    from edgetender.trust.marks import Marks
    from edgetender.trust.roots import ROOT_FILE, Roots
    from edgetender.trust.verification import first_root

    settings = load()
    directory, kept = settings.trust.directory, settings.state_dir / "trust"
    body = read(root)
    found = first_root(body)
    there = Roots(directory, kept).current()
    if there is not None and there != found:
        raise Permanent(
            f"cannot install the trust root: version {there.version} is installed already; "
            "edgetender trust update brings the next one"
        )
    try:
        if not directory.exists():
            directory.mkdir(parents=True)
            directory.chmod(0o755)  # the agent, another user, reads what is in it, whatever root's umask is
    except OSError as error:
        raise Permanent(f"cannot make {directory}: {error.strerror}") from None
    if there is None:
        try:
            Marks(directory, kept).begin()
        except OSError as error:
            raise Permanent(f"cannot write below {settings.state_dir}: {error.strerror}") from None
    write(directory / ROOT_FILE, body)
    return told(session, found)


@click.group(cls=Group)
def trust() -> None:
    """Show or renew the trust root of this device."""


@trust.command()
@options
@click.option("--root", type=_PATH, help="Another root document than this device's.")
@click.pass_obj
def show(session: Session, root: Path | None) -> Exit:
    """Show whose word this device takes."""
    from edgetender.config import load
    from edgetender.fleet.keyring import read
    from edgetender.trust.roots import Roots
    from edgetender.trust.verification import first_root

    if root is not None:
        with faults_of(root):
            return told(session, first_root(read(root)))
    settings = load()
    directory = settings.trust.directory
    found = Roots(directory, settings.state_dir / "trust").current()
    if found is None:
        raise NotFound(f"cannot show the trust root: none is in {directory}; see edgetender init")
    return told(session, found)


@trust.command()
@options
@click.argument("files", metavar="FILE...", type=_PATH, nargs=-1, required=True)
@click.pass_obj
def update(session: Session, files: tuple[Path, ...]) -> Exit:
    """Install the next root document, or several that follow each other.

    Each must be signed by the threshold of the one before it and by its own. The agent heeds it from the next
    manifest on; what runs goes on.
    """
    from edgetender.config import load
    from edgetender.fleet.keyring import read, write
    from edgetender.trust.roots import ROOT_FILE, Roots
    from edgetender.trust.verification import next_root

    settings = load()
    directory = settings.trust.directory
    current = Roots(directory, settings.state_dir / "trust").current()
    if current is None:
        raise NotFound(f"cannot update the trust root: none is in {directory}; see edgetender init")
    body = b""
    for file in files:
        body = read(file)
        current = next_root(current, body)
    write(directory / ROOT_FILE, body)
    return told(session, current)


@trust.command()
@options
@click.option(
    "--floor", type=click.IntRange(1), required=True, metavar="VERSION", help="The newest version it had."
)
@click.pass_obj
def reset(session: Session, floor: int) -> Exit:
    """Let a device whose state was lost take manifests again, from VERSION on. For root alone.

    What it took before is not known any more, so whoever says a version vouches that no older one may come back. A
    floor that is known is never lowered; a new epoch of the trust root does that.
    """
    client = session.client()
    delivery = client.post("/v1/trust/reset", json.dumps({"floor": floor}).encode())["delivery"]
    return finish(session, "TrustReset", delivery, decided(session, client, delivery), None)
