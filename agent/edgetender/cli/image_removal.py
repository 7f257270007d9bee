"""`edgetender image remove` and `prune`: room on the disk, without what is still referred to."""

from __future__ import annotations

from pathlib import Path

import click

from edgetender.cli.images import by_reference_or_id
from edgetender.cli.output import Exit, Session, options, say
from edgetender.cli.words import size
from edgetender.errors import NotFound
from edgetender.packaging.image_store import KeptImage
from edgetender.packaging.store_removal import prune as prune_store
from edgetender.packaging.store_removal import remove_images
from edgetender.packaging.workspace import Workspace

_STORE = click.option("--store", type=click.Path(path_type=Path), help="Where images are kept.")


@click.command()
@options
@click.argument("references", metavar="REF|ID...", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Also what a device was given from here.")
@_STORE
@click.pass_obj
def remove(session: Session, references: tuple[str, ...], force: bool, store: Path | None) -> Exit:
    """Remove images from the store: all that are named, or none. Registry and container engine keep theirs.

    Layers that later packages can use again stay: `edgetender image prune`.
    """
    workspace = Workspace(store)
    chosen = _chosen(workspace, references)
    freed = remove_images(workspace, chosen, force=force)
    return _told(session, [one.reference for one in chosen], freed)


@click.command()
@options
@_STORE
@click.pass_obj
def prune(session: Session, store: Path | None) -> Exit:
    """Remove what no image of the store is made of: pulled bases, layers kept for later, what a crash left."""
    return _told(session, [], prune_store(Workspace(store)))


def _chosen(workspace: Workspace, references: tuple[str, ...]) -> list[KeptImage]:
    """Each once. Raises NotFound that names every one that is not here."""
    found: dict[Path, KeptImage] = {}
    missing: list[NotFound] = []
    for text in references:
        try:
            one = by_reference_or_id(workspace, text)
        except NotFound as error:
            missing.append(error)
        else:
            found[one.layout] = one
    if missing:
        raise NotFound("\n".join(map(str, missing)))
    return list(found.values())


def _told(session: Session, removed: list[str], freed: int) -> Exit:
    if session.for_people:
        session.print_lines([f"removed {reference}" for reference in removed])
        say(f"{size(freed)} came free")
    else:
        head = {"apiVersion": "edgetender/v1", "kind": "Removed"}
        session.print_document(head | {"images": removed, "freedBytes": freed})
    return Exit.OK
