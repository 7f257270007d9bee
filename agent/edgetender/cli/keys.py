"""`edgetender keys`: makes, renews and revokes the keys whose word devices take."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.group import Group
from edgetender.cli.output import Exit, Session, options, table
from edgetender.clock import rfc3339
from edgetender.secret import Secret

if TYPE_CHECKING:
    from edgetender.model.signed import Root

_PASSWORD = "EDGETENDER_KEY_PASSWORD"  # noqa: S105  # where it comes from, not what it is
_COUNT = click.IntRange(1, 9)
_FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
_MORE = click.option(
    "--key", "more", type=click.Path(path_type=Path), multiple=True, help="A root key that lies elsewhere."
)
_EPOCH = click.option("--new-epoch", is_flag=True, help="Versions of manifests begin anew.")


def password() -> Secret | None:
    """What private keys are encrypted with."""
    found = os.environ.get(_PASSWORD)
    return Secret(found) if found else None


@click.group(cls=Group)
def keys() -> None:
    """Make, renew and revoke the keys that devices trust.

    FOLDER holds root.json, which goes to the devices, and private keys, which never do. They are encrypted
    with $EDGETENDER_KEY_PASSWORD where it is set. Root keys say which keys there are: keep them apart, offline.
    """


@keys.command()
@options
@_FOLDER
@click.option("--root-keys", type=_COUNT, default=3, show_default=True, help="How many to make.")
@click.option(
    "--root-threshold", type=_COUNT, default=2, show_default=True, help="How many must sign a root."
)
@click.option("--manifest-keys", type=_COUNT, default=1, show_default=True, help="How many to make.")
@click.option(
    "--manifest-threshold", type=_COUNT, default=1, show_default=True, help="How many must sign a manifest."
)
@click.pass_obj
def init(
    session: Session,
    folder: Path,
    root_keys: int,
    root_threshold: int,
    manifest_keys: int,
    manifest_threshold: int,
) -> Exit:
    """Make the keys and the first root document."""
    from edgetender.fleet.keyring import Keyring

    counts = {"root": root_keys, "manifest": manifest_keys}
    thresholds = {"root": root_threshold, "manifest": manifest_threshold}
    for role, count in counts.items():
        if thresholds[role] > count:
            raise click.BadParameter("is more than there are keys", param_hint=f"--{role}-threshold")
    return told(session, Keyring(folder, password()).begin(counts, thresholds))


@keys.command()
@options
@_FOLDER
@click.argument("name", required=False)
@_MORE
@_EPOCH
@click.pass_obj
def rotate(session: Session, folder: Path, name: str | None, more: tuple[Path, ...], new_epoch: bool) -> Exit:
    """Put a new key in the place of NAME, in the next root document."""
    from edgetender.fleet.keyring import Keyring

    keyring = Keyring(folder, password(), more)
    if name is None:
        if not new_epoch:
            raise click.UsageError("name a key, or say --new-epoch")
        return told(session, keyring.begin_epoch())
    return told(session, keyring.rotate(name, new_epoch=new_epoch))


@keys.command()
@options
@_FOLDER
@click.argument("name")
@_MORE
@_EPOCH
@click.option("--no-successor", is_flag=True, help="No new key stands in for it.")
@click.pass_obj
def revoke(
    session: Session, folder: Path, name: str, more: tuple[Path, ...], new_epoch: bool, no_successor: bool
) -> Exit:
    """Take the word of the key NAME away, in the next root document."""
    from edgetender.fleet.keyring import Keyring

    keyring = Keyring(folder, password(), more)
    return told(session, keyring.rotate(name, revoke=True, replace=not no_successor, new_epoch=new_epoch))


def told(session: Session, root: Root) -> Exit:
    """Say what a root document says."""
    if not session.for_people:
        session.print_document(document_of(root))
        return Exit.OK
    session.print_lines([f"Trust root version {root.version}, epoch {root.epoch}"])
    rows = [
        (key["role"], key["name"], key["keyid"][:12], key["notAfter"] or "")
        for key in document_of(root)["keys"]
    ]
    session.print_lines(table(rows, ("ROLE", "NAME", "KEY", "UNTIL")))
    for role, said in (("root", "the next root"), ("manifest", "a manifest")):
        one = getattr(root.roles, role)
        session.print_lines([f"{one.threshold} of {len(one.keys)} sign {said}"])
    return Exit.OK


def order(role: str | None) -> int:
    return ["root", "manifest", None, "revoked"].index(role)


def document_of(root: Root) -> dict[str, Any]:
    """The root document as programs read it."""
    roles = {keyid: role for role in ("root", "manifest") for keyid in getattr(root.roles, role).keys}
    roles |= dict.fromkeys(root.revoked, "revoked")
    return {
        "apiVersion": "edgetender/v1",
        "kind": "TrustRoot",
        "version": root.version,
        "epoch": root.epoch,
        "thresholds": {"root": root.roles.root.threshold, "manifest": root.roles.manifest.threshold},
        "keys": [
            {
                "keyid": keyid,
                "name": key.name,
                "role": roles.get(keyid, "unused"),
                "notAfter": rfc3339(key.not_after) if key.not_after else None,
            }
            for keyid, key in sorted(
                root.keys.items(), key=lambda one: (order(roles.get(one[0])), one[1].name)
            )
        ],
    }
