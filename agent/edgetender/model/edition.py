"""Which version is meant, where a later epoch of the trust root began the numbers anew?

A number alone is of the newest epoch that has it; `1:13` is that of epoch 1, as Debian and RPM write it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

Edition = tuple[int, int]  # epoch and version: what is newer is greater

_WITH_EPOCH = re.compile(r"[0-9]{1,16}:[1-9][0-9]{0,15}")


def is_edition(asked: object) -> bool:
    """Whether *asked* can be meant for one: 13 or "1:13"."""
    if isinstance(asked, str):
        return _WITH_EPOCH.fullmatch(asked) is not None
    return isinstance(asked, int) and not isinstance(asked, bool) and asked > 0


def named(edition: Edition, known: Collection[Edition]) -> str:
    """How *edition* is told from the others *known*: as short as can be."""
    epoch, version = edition
    newest = max((one for one, number in known if number == version), default=epoch)
    return f"{version}" if epoch >= newest else f"{epoch}:{version}"


def meant(asked: int | str, known: Collection[Edition]) -> Edition | None:
    """The one of those *known* that *asked* names, None: there is none."""
    names = ((one, {f"{one[0]}:{one[1]}", f"{one[1]}"}) for one in sorted(known, reverse=True))
    return next((one for one, its in names if str(asked) in its), None)
