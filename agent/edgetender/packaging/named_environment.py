"""Which Python environments have a name here? Each version of one is kept as it was, like a model's."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from edgetender import durable
from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.packaging.model_store import check_name
from edgetender.packaging.writer import writer


@dataclass(slots=True)
class Environment:
    """What a script needs, by name: the text of a conda file or of pip requirements, and a base image.

    Without either text it is a reference: `EnvironmentStore.found` fills it.
    """

    name: str
    version: str | None = None
    conda: str | None = None
    requirements: str | None = None
    base_image: str | None = None

    @classmethod
    def from_conda_specification(cls, name: str, file_path: str | Path) -> Self:
        """Raises ConfigInvalid when the file cannot be read."""
        return cls(name, conda=_text(file_path))

    @classmethod
    def from_pip_requirements(cls, name: str, file_path: str | Path) -> Self:
        """Raises ConfigInvalid when the file cannot be read."""
        return cls(name, requirements=_text(file_path))

    @property
    def is_reference(self) -> bool:
        return self.conda is None and self.requirements is None and self.base_image is None

    def problems(self) -> list[Problem]:
        if self.conda is not None and self.requirements is not None:
            return [
                Problem("environment", "environment.twice", "has conda packages and requirements; keep one")
            ]
        return []


class EnvironmentStore:
    """Environments below *root*, made on first use: `<name>/<version>.json`; versions are numbers from 1."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def register(self, environment: Environment) -> Environment:
        """Keep it as its version, or as the next one. Raises ConfigInvalid when that version is taken."""
        check_name(environment.name)
        folder = self._root / environment.name
        durable.make_directory(folder)
        version = environment.version or str(max(self._versions(folder), default=0) + 1)
        check_name(version)
        record = asdict(environment) | {"version": version}
        part = folder / f".{version}.{writer()}"
        durable.replace(part, canonical(record))
        try:
            os.link(part, folder / f"{version}.json")  # unlike a rename, it never replaces
        except FileExistsError as error:
            text = f"{environment.name}:{version} is registered; versions never change"
            raise ConfigInvalid((Problem("environment", "environment.exists", text),)) from error
        finally:
            part.unlink()
        durable.sync_directory(folder)
        return Environment(**record)

    def get(self, name: str, version: str | None = None) -> Environment:
        """Return a version, the latest number when none is named. Raises NotFound."""
        check_name(name)
        folder = self._root / name
        number = version or str(max(self._versions(folder), default=0))
        try:
            return Environment(**json.loads((folder / f"{number}.json").read_bytes()))
        except FileNotFoundError as error:
            text = f"cannot find the environment {name}{f':{version}' if version else ''}: none is registered"
            raise NotFound(f"{text} in {self._root}") from error

    def found(self, environment: Environment) -> Environment:
        """Return *environment*, or what is registered under its name where it is a reference."""
        return self.get(environment.name, environment.version) if environment.is_reference else environment

    def _versions(self, folder: Path) -> list[int]:
        return [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]


def _text(file_path: str | Path) -> str:
    try:
        return Path(file_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(
            "environment", "file.unreadable", f"{file_path}: {getattr(error, 'strerror', None) or error}"
        )
        raise ConfigInvalid((problem,)) from error
