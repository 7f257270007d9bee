"""Which models are registered here, and what is in them? A directory of immutable versions."""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.packaging.layer import tree

_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}$")
_RECORD = "model.json"
_FILES = "files"


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its files are the only entry of the directory *path*'s parent, or *path* itself.

    *sha256* is of names and contents; equal hashes, equal models.
    """

    name: str
    version: int
    path: Path
    sha256: str
    framework: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.version}"


def check_name(name: str) -> None:
    """Raise ConfigInvalid unless models may have this name."""
    if not _NAME.match(name):
        text = f"{name!r}: letters, digits, '-', '.', '_', beginning with a letter or digit, at most 255"
        raise ConfigInvalid((Problem("name", "model.name", text),))


def from_path(path: Path, name: str, version: int = 1) -> Model:
    """Return the model in a file or directory, registered nowhere. Raises ConfigInvalid, NotFound."""
    check_name(name)
    if not path.exists():
        raise NotFound(f"cannot find the model {path}; name a file or a directory")
    return Model(name, version, path, _hash(path))


def _hash(path: Path) -> str:
    total = sha256()
    entries = (
        [(path.name, path)]
        if path.is_file()
        else [
            (entry.path, entry.content) for entry in tree(path, path.name) if isinstance(entry.content, Path)
        ]
    )
    for name, file in sorted(entries):
        with file.open("rb") as stream:
            one = sha256()
            while chunk := stream.read(1 << 20):
                one.update(chunk)
        total.update(f"{name}\0{one.hexdigest()}\n".encode())
    return total.hexdigest()


class ModelStore:
    """Models below *root*, made on first use: `<name>/<version>/model.json` and `files/<the model>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def register(
        self,
        path: Path,
        name: str,
        *,
        version: int | None = None,
        framework: str | None = None,
        tags: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
    ) -> Model:
        """Keep a copy of the model as the next version, or as *version*. Safe to interrupt.

        Raises ConfigInvalid (name, or the version is taken: versions never change), NotFound.
        """
        offered = from_path(path, name, version or 1)
        folder = self._root / name
        folder.mkdir(parents=True, exist_ok=True)
        number = version if version is not None else max(self._versions(name), default=0) + 1
        part = folder / f".part-{os.getpid()}"
        shutil.rmtree(part, ignore_errors=True)
        kept = part / _FILES / path.name
        kept.parent.mkdir(parents=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, kept)
        model = Model(
            name, number, folder / str(number) / _FILES / path.name, offered.sha256, framework,
            tags or {}, properties or {},
        )  # fmt: skip
        record = asdict(model) | {"path": path.name}
        (part / _RECORD).write_bytes(canonical(record))
        try:
            part.rename(folder / str(number))
        except OSError as error:
            shutil.rmtree(part)
            problem = Problem(
                "version", "model.exists", f"{name}:{number} is registered; versions never change"
            )
            raise ConfigInvalid((problem,)) from error
        return model

    def get(self, name: str, version: int | None = None) -> Model:
        """Return a version, the latest when none is named. Raises NotFound."""
        versions = self._versions(name)
        if not versions:
            raise NotFound(f"cannot find the model {name!r}: none of that name is registered in {self._root}")
        number = max(versions) if version is None else version
        if number not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise NotFound(f"cannot find the model {name}:{number}: its versions are {known}")
        folder = self._root / name / str(number)
        record: dict[str, Any] = json.loads((folder / _RECORD).read_bytes())
        return Model(**(record | {"path": folder / _FILES / record["path"]}))

    def list(self) -> tuple[Model, ...]:
        """Return every version of every model, by name and number; empty before the first is registered."""
        names = sorted(path.name for path in self._root.iterdir()) if self._root.is_dir() else []
        return tuple(self.get(name, number) for name in names for number in sorted(self._versions(name)))

    def _versions(self, name: str) -> set[int]:
        check_name(name)
        folder = self._root / name
        return {int(p.name) for p in folder.iterdir() if p.name.isdigit()} if folder.is_dir() else set()
