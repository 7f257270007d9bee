"""Which models are there, loaded or not? Found in a directory, loaded beside what serves, swapped on the loop."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from edgetender_scoring import golden
from edgetender_scoring.inference import ModelHandler
from edgetender_scoring.onnx_model import Model, load
from edgetender_scoring.providers import ModelUnusable, Wanted
from edgetender_scoring.v2 import V2Codec

log = logging.getLogger("edgetender_scoring")


@dataclass(frozen=True, slots=True)
class Found:
    """A model file, by the name and version its place gives it."""

    name: str
    version: str
    path: Path


@dataclass(slots=True)
class Entry:
    """A loaded model, or why it is not."""

    found: Found
    model: Model | None = None
    infer: ModelHandler | None = None
    reason: str = "not loaded"


@dataclass(slots=True)
class Repository:
    """The models of one place. `load` blocks and runs on a thread of its own; all else belongs to the loop.

    *controlled*: clients may load and unload; whoever reaches the port may then stop a model.
    *known*: the file with the known input of the model, where there is one model.
    """

    place: Path
    wanted: Wanted
    controlled: bool = False
    known: Path | None = None
    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)

    def find(self) -> list[Found]:
        """Look for models; see `find`."""
        return find(self.place)

    def load(self, found: Found) -> Entry:
        """Load one. Raises ModelUnusable."""
        alone = self.known is not None and len(self.find()) == 1
        known = golden.read(self.known) if alone and self.known is not None else None
        model = load(found.name, found.version, found.path, self.wanted, known)
        return Entry(found, model, ModelHandler(model, V2Codec()), "")

    def keep(self, entry: Entry) -> None:
        """Serve *entry* from now on, in the place of the one of that name and version."""
        self.entries[entry.found.name, entry.found.version] = entry

    def drop(self, name: str, version: str) -> None:
        """Serve that one no more; it can be loaded again."""
        self.entries[name, version] = Entry(self.entries[name, version].found, reason="unloaded")

    def versions(self, name: str) -> list[str]:
        """The loaded versions of *name*, oldest first."""
        known = (version for (one, version), entry in self.entries.items() if one == name and entry.model)
        return sorted(known, key=_by_number)

    def entry(self, name: str, version: str | None = None) -> Entry | None:
        """Return the loaded model of that name and version (newest: None)."""
        if version is None:
            versions = self.versions(name)
            if not versions:
                return None
            version = versions[-1]
        found = self.entries.get((name, version))
        return found if found is not None and found.model is not None else None

    @property
    def models(self) -> list[Model]:
        return [entry.model for entry in self.entries.values() if entry.model is not None]


def find(place: Path) -> list[Found]:
    """Return the models in *place*: a file, or a directory.

    `name/version/any.onnx` and `name/any.onnx` are named by their directories, a file directly in *place* by
    itself, unless *place* is a version's directory itself. Raises ModelUnusable when two get one name.
    """
    if place.is_file():
        return [Found(place.stem, "1", place)]
    files = sorted(path for path in place.rglob("*.onnx") if not path.name.endswith(".optimized.onnx"))
    found = [_named(place, path, alone=len(files) == 1) for path in files]
    seen: dict[tuple[str, str], Path] = {}
    for one in found:
        other = seen.setdefault((one.name, one.version), one.path)
        if other != one.path:
            raise ModelUnusable(
                f"{other} and {one.path} would both be model {one.name!r} version {one.version}"
            )
    return found


def _named(place: Path, path: Path, *, alone: bool) -> Found:
    above = path.relative_to(place).parts[:-1]
    if not above and alone and place.name.isdigit() and place.parent.name:
        return Found(place.parent.name, place.name, path)  # AZUREML_MODEL_DIR of one registered model
    if not above:
        return Found(path.stem, "1", path)
    if above[-1].isdigit() and len(above) > 1:
        return Found(above[-2], above[-1], path)
    if above[-1].isdigit():
        return Found(place.name, above[-1], path)
    return Found(above[-1], "1", path)


def _by_number(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (-1, version)
