"""How is a version named on the command line? `13`, and `1:13` where a later epoch has that number too."""

from __future__ import annotations

import click

from edgetender.model.edition import is_edition

_DIGITS = 16  # of the highest version


def edition(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | str | None:
    """13 as a number, 1:13 as it is written."""
    if value is None or is_edition(value):
        return value
    if value.isascii() and value.isdigit() and len(value) <= _DIGITS and int(value):
        return int(value)
    raise click.BadParameter(f"{value!r} is no version; write it like 13, or 1:13 for that of epoch 1")
