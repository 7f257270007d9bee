"""What do a platform and an image's name say on the command line? Read at once, before anything is made."""

from __future__ import annotations

import re

import click

from edgetender.errors import Problem
from edgetender.model.image import parse_reference

_PLATFORM = re.compile(r"linux/[a-z0-9_]+(/v[0-9.]+)?")


def platforms(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """One platform, or several with commas between, as it was written."""
    for one in value.split(",") if value else ():
        if not _PLATFORM.fullmatch(one):
            raise click.BadParameter(f"{one!r} is no platform; write it like linux/arm64")
    return value


def platform(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """One platform."""
    if value is not None and "," in value:
        raise click.BadParameter(f"{value!r}: one platform at a time")
    return platforms(context, option, value)


of_platform = click.option(
    "--platform", default="linux/amd64", show_default=True, callback=platform, help="Which image of an index."
)


def name_faults(option: str, text: str) -> list[Problem]:
    """What is wrong with *text* as the name of an image that is to be made."""
    try:
        named = parse_reference(text)
    except ValueError as error:
        return [Problem(option, "reference.invalid", str(error))]
    if named.digest is not None:
        why = f"{text!r} names a digest, which is what comes of it; write name:tag"
        return [Problem(option, "reference.invalid", why)]
    return []
