"""How do packaged variants get into a manifest? Pushed, then told as its `variants:` block, pinned by digest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgetender.cli.output import say
from edgetender.cli.progress import bars
from edgetender.cli.words import size
from edgetender.packaging.logins import Login
from edgetender.packaging.push import push
from edgetender.packaging.variants import MadeVariant


def pushed(reference: str, layout: Path, login: Login) -> None:
    """Send one image or index, and say so."""
    say(f"pushing {reference}")
    with bars() as progress:
        digest = push(reference, layout, login, progress=progress, say=say)
    say(f"pushed {digest}")


def variants_told(made: Sequence[MadeVariant], login: Login | None) -> tuple[dict[str, Any], list[str]]:
    """Send them all if there is a *login*; return the document, and the manifest's block as lines."""
    if login is not None:
        for one in made:
            pushed(one.reference, one.layout, login)
    document = {
        "apiVersion": "edgetender/v1",
        "kind": "PackagedVariants",
        "variants": [entry(one) for one in made],
        "images": [
            {
                "variant": one.name,
                "tag": one.reference,
                "digest": one.digest,
                "output": str(one.layout),
                "sizeBytes": dict(one.sizes),
            }
            for one in made
        ],
    }
    return document, _block(made)


def entry(one: MadeVariant) -> dict[str, Any]:
    """The variant as a manifest has it."""
    found: dict[str, Any] = {"name": one.name, "image": one.pinned}
    return found | ({"requires": dict(one.requires)} if one.requires else {})


def _block(made: Sequence[MadeVariant]) -> list[str]:
    """YAML; what is no field of a variant stands in comments. None of the values needs quotes."""
    lines = ["variants:"]
    for one in made:
        sizes = ", ".join(f"{platform} {size(taken)}" for platform, taken in one.sizes.items())
        lines += [f"  # {one.reference}: {sizes}", f"  - name: {one.name}", f"    image: {one.pinned}"]
        if one.requires:
            pairs = ", ".join(f"{key}: {value}" for key, value in one.requires.items())
            lines.append(f"    requires: {{{pairs}}}")
    return lines
