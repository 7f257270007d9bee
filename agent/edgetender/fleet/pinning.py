"""Which bytes does a manifest's tag mean today? Written beside it, so that what was signed is what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from edgetender.errors import ManifestInvalid, Permanent, Problem
from edgetender.model.image import ImageReference, parse_reference

Document = dict[str, Any]


def tags(manifest: Document) -> dict[str, ImageReference]:
    """The images of *manifest*, a valid one, that a registry may mean something else by tomorrow, by their paths."""
    found = {where: parse_reference(holder["image"]) for where, holder in _images(manifest)}
    return {where: reference for where, reference in found.items() if reference.digest is None}


def digests(manifest: Document, digest_of: Callable[[ImageReference], str]) -> dict[str, str]:
    """What the tags of *manifest*, a valid one, mean today, by their paths.

    *digest_of* is asked once for each image. Raises ManifestInvalid with every image that it refuses for good,
    and at once what it raises where later may be better.
    """
    wanted = tags(manifest)
    known: dict[ImageReference, str | Permanent] = {}
    for reference in wanted.values():
        if reference not in known:
            try:
                known[reference] = digest_of(reference)
            except Permanent as error:
                known[reference] = error
    problems = tuple(
        Problem(where, answer.code, str(answer))
        for where, reference in wanted.items()
        if isinstance(answer := known[reference], Permanent)
    )
    if problems:
        raise ManifestInvalid(problems)
    return {where: str(known[reference]) for where, reference in wanted.items()}


def pinned(manifest: Document, digest_of: Callable[[ImageReference], str]) -> Document:
    """*manifest* with a digest behind every tag, which stays for people: `registry/repository:1.0@sha256:…`.

    Raises as `digests` does.
    """
    found, wanted, result = digests(manifest, digest_of), tags(manifest), deepcopy(manifest)
    for where, holder in _images(result):
        if where in found:
            holder["image"] = f"{wanted[where]}@{found[where]}"
    return result


def check_images(manifest: Document, check: Callable[[ImageReference], None]) -> None:
    """Have *check* look at each image once. Raises ManifestInvalid with every image that it refuses for good."""
    problems: list[Problem] = []
    known: dict[ImageReference, Permanent | None] = {}
    for where, holder in _images(manifest):
        image = parse_reference(holder["image"])
        if image not in known:
            known[image] = None
            try:
                check(image)
            except Permanent as error:
                known[image] = error
        if (refused := known[image]) is not None:
            problems.append(Problem(where, refused.code, str(refused)))
    if problems:
        raise ManifestInvalid(tuple(problems))


def refuse_tags(manifest: Document) -> None:
    """Raises ManifestInvalid with every image that is named by a tag."""
    said = "a tag may name something else tomorrow; write …@sha256:…, or let sign ask the registry"
    if problems := tuple(Problem(where, "image.tag", said) for where in tags(manifest)):
        raise ManifestInvalid(problems)


def _images(manifest: Document) -> Iterator[tuple[str, Document]]:
    for name, module in manifest["modules"].items():
        if module.get("image") is not None:
            yield f"modules.{name}.image", module
        for index, variant in enumerate(module.get("variants") or ()):
            yield f"modules.{name}.variants[{index}].image", variant
