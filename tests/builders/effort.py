"""How hard properties are tried: the same examples at each run; EDGETENDER_EFFORT=20 tries 20 times as many, others."""

from __future__ import annotations

import os

from hypothesis import settings

_EFFORT = int(os.environ.get("EDGETENDER_EFFORT", "1"))


def examples(count: int) -> settings:
    """Settings for *count* examples, by default always the same ones."""
    return settings(max_examples=count * _EFFORT, derandomize=_EFFORT == 1)
