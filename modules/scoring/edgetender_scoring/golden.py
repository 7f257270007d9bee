"""Does the model answer its known input as it did when it was packaged? Packages have it in `golden.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgetender_scoring.tensors import Array, Tensor, read_feeds

log = logging.getLogger("edgetender_scoring")

PASSED, FAILED, VARIES, NONE = "passed", "failed", "varies", "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """PASSED, FAILED with the *reason*, VARIES (its answers differ from run to run), or NONE: nothing to compare."""

    state: str = NONE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Golden:
    """A /score request and its answer; numbers may differ by either tolerance."""

    request: Any
    response: Any
    relative: float
    absolute: float

    def feeds(self, inputs: Sequence[Tensor]) -> dict[str, Array]:
        """The request as tensors. Raises Refused when the model takes no such."""
        return read_feeds(self.request, inputs)

    def differs(self, names: Sequence[str], found: Sequence[Any]) -> str:
        """How *found*, the outputs of those *names*, differs from the answer; empty when it does not."""
        if len(names) > 1 and not isinstance(self.response, Mapping):
            return "the known answer has no names, the model has several outputs"
        for name, value in zip(names, found, strict=True):
            wanted = self.response.get(name) if len(names) > 1 else self.response
            if why := self._differs(name, np.asarray(value), wanted):
                return why
        return ""

    def _differs(self, name: str, found: Array, wanted: Any) -> str:
        try:
            known = np.asarray(wanted, np.float64 if found.dtype.kind == "f" else found.dtype)
        except (ValueError, TypeError, OverflowError) as error:
            return f"the known answer for {name!r} is none: {error}"
        if known.shape != found.shape:
            return f"output {name!r} has the shape {list(found.shape)}, expected {list(known.shape)}"
        if self.alike(found, known):
            return ""
        if found.dtype.kind != "f":
            return f"output {name!r} has other values than expected"
        worst = float(np.max(np.abs(np.nan_to_num(found.astype(np.float64)) - known)))
        return f"output {name!r} differs by up to {worst:.3g}"

    def alike(self, one: Array, other: Array) -> bool:
        """Whether two outputs are equal within the tolerance."""
        if one.dtype.kind != "f":
            return bool(np.array_equal(one, other))
        return bool(np.allclose(one, other, rtol=self.relative, atol=self.absolute))


def read(path: Path) -> Golden | None:
    """Return what the file holds; None when there is none, or (logged) nothing that can be used."""
    try:
        content = json.loads(path.read_bytes())
        tolerance = content.get("tolerance", {})
        return Golden(
            content["request"],
            content["response"],
            float(tolerance.get("relative", 1e-3)),
            float(tolerance.get("absolute", 1e-4)),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is not used: %r", path, error)
        return None
