"""How does an unmodified script parse JSON faster? `json.loads` becomes orjson's in this process, when asked.

Off by default, for orjson is stricter and differs: NaN and Infinity fall back to the standard library, integers
beyond 64 bit become floats.
"""

from __future__ import annotations

import functools
import json
import logging
from typing import Any


def install() -> None:
    """Replace `json.loads` where orjson is installed; calls with options keep the standard one."""
    try:
        import orjson
    except ImportError:
        logging.getLogger("edgetender_scoring").warning("fast JSON was asked for; orjson is not installed")
        return
    standard, fast = json.loads, orjson.loads

    @functools.wraps(standard)
    def loads(text: Any, **options: Any) -> Any:
        if options:
            return standard(text, **options)
        try:
            return fast(text)
        except ValueError:
            return standard(text)  # what orjson refuses and JSON's usual reader takes; or the usual error

    setattr(json, "loads", loads)  # noqa: B010  the plain form would have to copy its signature
