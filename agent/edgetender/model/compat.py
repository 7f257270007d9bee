"""Which driver runs which CUDA, which CUDA which card, which L4T is which JetPack? Tables, as versioned data.

They are `compat.json` beside this file; a file on the device or a manifest may replace parts of them: a fleet must
not wait for a release of the agent. They only ever exclude what is certain; what is newer than they know is assumed
to fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.versions import compared, numbers, version_range

SCHEMA = "edgetender/compat/v1"
# what decisions are made by; the other tables are for probes, which know no manifest
OF_MANIFESTS = ("cuda_to_driver", "compute_capability", "tensorrt")


@dataclass(frozen=True, slots=True)
class Known:
    """What a table says. *low*: concluded from a neighbouring entry."""

    value: str
    low: bool = False


class Tables:
    """One edition of the tables. Immutable; its methods are pure."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.version = str(data["version"])
        self._drivers = {int(branch): str(cuda) for branch, cuda in data["driver_to_cuda"].items()}
        self._cards = {str(row["cc"]): row for row in data["compute_capability"]}
        self._names = [(re.compile(pattern), cc) for pattern, cc in data["names_to_compute_capability"]]

    def cuda_of_driver(self, driver: str) -> Known | None:
        """The highest CUDA of a discrete driver. None below the table; above it, the highest known, *low*."""
        found = numbers(driver)
        if found is None:
            return None
        below = [branch for branch in self._drivers if branch <= found[0]]
        if not below:
            return None
        return Known(self._drivers[max(below)], low=found[0] > max(self._drivers))

    def runs_cuda(self, cuda: str, driver: str | None, wanted: str) -> bool:
        """Whether a driver of this highest *cuda* runs images of *wanted*: also newer ones of the same major."""
        have, need = numbers(cuda), numbers(wanted)
        if have is None or need is None:
            return True
        if compared(have, need) >= 0:
            return True
        least = self._data["cuda_to_driver"].get(str(need[0]))
        mine = numbers(driver) if driver else None
        if need[0] == have[0] and least is not None and mine is not None:
            return compared(mine, numbers(least) or (0,)) >= 0
        return False

    def least_driver(self, major: str) -> str | None:
        """The oldest driver that runs anything of a CUDA *major*; None: not known."""
        found = self._data["cuda_to_driver"].get(major)
        return str(found) if found else None

    def over(self, data: Mapping[str, Any]) -> Tables:
        """These tables with those of *data* in their place. Raises ValueError for what are none."""
        try:
            _check(data)
            return Tables({**self._data, **data})
        except (ValueError, KeyError, TypeError, AttributeError, re.error) as error:
            raise ValueError(f"no compatibility tables: {error!r}") from error

    def cuda_dropped(self, cc: str, cuda: str) -> str:
        """Why CUDA *cuda* can make no code for a card of *cc*: it is too old for it; empty where it is not."""
        row, found = self._cards.get(cc), numbers(cuda)
        if row is None or found is None or "max_cuda" not in row:
            return ""
        newest = numbers(row["max_cuda"]) or (0,)
        if compared(found[: len(newest)], newest) <= 0:  # 12.9.1 is a 12.9
            return ""
        return f"compute capability {cc} is supported up to CUDA {row['max_cuda']}"

    def tensorrt_excluded(self, cc: str, tensorrt: str) -> str:
        """Why TensorRT *tensorrt* does not run on a card of *cc*; empty where that is not certain."""
        row, found = self._cards.get(cc), numbers(tensorrt)
        if found is None:
            return ""
        if row is not None and "tensorrt" in row and not version_range(row["tensorrt"]).holds(found):
            return f"compute capability {cc} is supported by TensorRT {row['tensorrt']} only"
        for each in self._data["tensorrt"]:
            if _within(found, each) and compared(numbers(cc) or (0,), numbers(each["min_cc"]) or (0,)) < 0:
                return f"TensorRT {tensorrt} needs compute capability {each['min_cc']} or higher"
        return ""

    def integrated(self, cc: str) -> bool:
        return bool(self._cards.get(cc, {}).get("integrated"))

    def soc(self, compatible: str) -> Known | None:
        """The compute capability of a Tegra chip (`tegra234`)."""
        cc = self._data["tegra"].get(compatible)
        return Known(cc) if cc else None

    def card(self, name: str) -> Known | None:
        """The compute capability a card's marketing name suggests; names are not identities, so *low*."""
        return next((Known(cc, low=True) for pattern, cc in self._names if pattern.search(name)), None)

    def jetpack(self, l4t: str) -> Known | None:
        """JetPack of an L4T release; of an unknown one only the major, *low*."""
        found = numbers(l4t)
        if found is None:
            return None
        full = ".".join(str(part) for part in (*found, 0, 0)[:3])
        if exact := self._data["l4t_to_jetpack"].get(full):
            return Known(exact)
        major = self._data["l4t_major_to_jetpack"].get(str(found[0]))
        return Known(major, low=True) if major else None

    def of_jetpack(self, l4t: str, what: str) -> Known | None:
        """`cuda` or `tensorrt` of an L4T release; of one newer than known, that of the newest, *low*."""
        found = numbers(l4t)
        if found is None:
            return None
        for row in self._data["jetpack"]:
            if _within(found, row) and what in row:
                return Known(row[what])
        newest = self._data["jetpack"][0]
        newer = compared(found, numbers(newest["before"]) or (0,)) >= 0
        return Known(newest[what], low=True) if newer and what in newest else None

    def onnxruntime(self, version: str, arch: str) -> Mapping[str, Any] | None:
        """What the GPU build of an ONNX Runtime holds: `cuda`, `sass`, `ptx`; None where it was not measured."""
        found = numbers(version)
        rows = self._data["onnxruntime_gpu"]
        return next((row for row in rows if found and row["arch"] == arch and _within(found, row)), None)


def kernel_image_missing(cc: str, sass: tuple[str, ...], ptx: tuple[str, ...], *, integrated: bool) -> bool:
    """Whether code of these kinds certainly does not run on a card of *cc*.

    SASS runs upward inside a major on discrete cards, on integrated ones exactly; PTX is compiled for anything
    at least as new as it (and then the driver decides, which is the probe's to find out).
    """
    card = numbers(cc)
    if card is None or not (sass or ptx):
        return False
    for each in sass:
        code = numbers(each)
        if code == card or (
            code is not None and not integrated and code[0] == card[0] and compared(code, card) <= 0
        ):
            return False
    return not any(compared(numbers(each) or (0,), card) <= 0 for each in ptx)


def _check(data: Mapping[str, Any]) -> None:
    """Whether what decisions read of *data* is there and can be read: they never raise. Raises what comes."""
    versions = [*dict(data.get("cuda_to_driver", {})).values()]
    for row in data.get("compute_capability", ()):
        versions += [row["cc"], row.get("max_cuda", row["cc"])]
        version_range(row.get("tensorrt", ">=0"))
    for row in data.get("tensorrt", ()):
        versions += [row["from"], row["before"], row["min_cc"]]
    if wrong := [each for each in versions if not isinstance(each, str) or numbers(each) is None]:
        raise ValueError(f"{wrong[0]!r} is no version")


def _within(found: tuple[int, ...], row: Mapping[str, Any]) -> bool:
    return (
        compared(found, numbers(row["from"]) or (0,)) >= 0 > compared(found, numbers(row["before"]) or (0,))
    )


@lru_cache(maxsize=1)
def builtin() -> Tables:
    """The edition this release came with."""
    return Tables(json.loads(files("edgetender.model").joinpath("compat.json").read_text()))


def with_manifest(compat: Mapping[str, Any] | None) -> Tables:
    """The edition in force with a manifest's tables in their place."""
    return _over_in_force(canonical(compat)) if compat is not None else in_force()


@lru_cache(maxsize=8)
def _over_in_force(text: bytes) -> Tables:
    return in_force().over(json.loads(text))


_IN_FORCE: list[Tables] = []


def in_force() -> Tables:
    """The edition that decisions are made by: this release's, unless a file's was put in its place."""
    return _IN_FORCE[0] if _IN_FORCE else builtin()


def put_in_force(path: Path) -> None:
    """From now on, in this process, the tables of a file. Called once, at the start. Raises ConfigInvalid."""
    _IN_FORCE[:] = [tables_of(path)]
    _over_in_force.cache_clear()


def tables_of(path: Path) -> Tables:
    """The edition in a file; what it leaves out is this release's. Raises ConfigInvalid."""
    try:
        data = json.loads(path.read_text())
        if data.get("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")  # noqa: TRY301  # every fault ends the same way
        return builtin().over(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, re.error) as error:
        raise ConfigInvalid(
            (Problem(str(path), "hardware.compat", f"no compatibility tables: {error}"),)
        ) from error
