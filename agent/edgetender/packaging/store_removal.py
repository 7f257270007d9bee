"""What may leave the store? What nothing here refers to any more, and then the parts that no image is made of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgetender.errors import Permanent
from edgetender.packaging import oci_layout, store_use
from edgetender.packaging.deployment import Deployments
from edgetender.packaging.image_store import KeptImage
from edgetender.packaging.model_store import Model
from edgetender.packaging.workspace import Workspace

_MADE_OF = ("environment-", "server-", "base-")  # notes that name a layer
_SCRATCH = (".part-*", ".begun-*", "install-*", "build-*", "edgetender-base-*")


def remove_images(workspace: Workspace, images: Sequence[KeptImage], *, force: bool = False) -> int:
    """Take *images* out; return how many bytes came free. Layers that later packages can use again stay.

    Raises Permanent, and nothing is gone: while something is made in the store, and, unless *force*, when a
    device was given one of them from here.
    """
    given = {} if force else Deployments(workspace.root / "deployments").images()
    held = [one for one in images if one.image.digest in given]
    if held:
        lines = [
            f"cannot remove {one.reference}: {', '.join(sorted(given[one.image.digest]))} was given it from here;"
            " remove it all the same with --force"
            for one in held
        ]
        raise Permanent("\n".join(lines))
    with store_use.alone(workspace.root):
        gone: set[str] = set()
        for one in images:
            gone |= _parts(one.layout)
            shutil.rmtree(one.layout)
        return _drop(workspace, gone - _used(workspace) - _noted(workspace))


def remove_model(workspace: Workspace, model: Model, *, force: bool = False) -> None:
    """Take a version's files out; its number stays taken.

    Raises Permanent when an image of the store has it, unless *force*.
    """
    holding = () if force else workspace.images.holding(model.reference)
    if holding:
        images = ", ".join(one.reference for one in holding)
        text = f"{images} has it; remove that with edgetender image remove, or all the same with --force"
        raise Permanent(f"cannot remove {model.reference}: {text}")
    with store_use.alone(workspace.root):
        workspace.models.remove(model)


def prune(workspace: Workspace) -> int:
    """Take out what no image of the store is made of; return how many bytes came free.

    That is: bases that were pulled, layers kept for later packages, and what a command that was killed left
    behind. Raises Permanent while something is made in the store.
    """
    if not workspace.root.is_dir():
        return 0
    with store_use.alone(workspace.root):
        freed = sum(_remove(one) for name in ("bases", "prepared") for one in _below(workspace.root / name))
        blobs = workspace.layers().blobs
        for folder in (workspace.root, workspace.images.root, blobs):
            freed += sum(_remove(path) for pattern in _SCRATCH for path in folder.glob(pattern))
        used = _used(workspace)
        for note in _notes(workspace):
            if not _named(note, blobs) <= used:
                note.unlink()
        return freed + _drop(workspace, {path.name for path in blobs.iterdir()} - used)


def _parts(layout: Path) -> set[str]:
    return {path.name for path in _below(layout / "blobs" / "sha256")}


def _used(workspace: Workspace) -> set[str]:
    """What images are made of, and bases that were pulled."""
    layouts = [*_below(workspace.images.root), *_below(workspace.root / "bases")]
    return {name for layout in layouts for name in _parts(layout)}


def _noted(workspace: Workspace) -> set[str]:
    blobs = workspace.layers().blobs
    return {name for note in _notes(workspace) for name in _named(note, blobs)}


def _notes(workspace: Workspace) -> Iterator[Path]:
    for note in sorted((workspace.root / "notes").glob("*.json")):
        if note.name.startswith(_MADE_OF):
            yield note


def _named(note: Path, blobs: Path) -> set[str]:
    """The blobs that a note leads to; of a base all that its image is made of."""
    try:
        found = json.loads(note.read_bytes())
        digests = {found[key] for key in ("digest", "layer", "image") if key in found}
        if "image" in found:
            image = oci_layout.image_of(blobs, found["image"])
            digests |= {oci_layout.config_digest(image), *(one.digest for one in image.layers)}
    except (OSError, ValueError, LookupError, TypeError):
        return set()  # damaged: it names nothing, as for those who read it
    return {str(digest).removeprefix("sha256:") for digest in digests}


def _drop(workspace: Workspace, names: set[str]) -> int:
    blobs = workspace.layers().blobs
    return sum(_remove(blobs / name) for name in names)


def _remove(path: Path) -> int:
    """Remove it; return the bytes of it that had no other name."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    freed = sum(one.stat().st_size for one in files if one.stat().st_nlink == 1)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return freed


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
