"""What does a conda file ask for? Pip packages go any way; conda packages need an engine that builds."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging.environment import Spec, of_requirements, text_of

KEY = "condaFile"
_SPLIT = re.compile(r"[=<>!~ \[]")


@dataclass(frozen=True, slots=True)
class CondaSpec:
    """A conda file, read: *packages* as (place in the file, specification), pip's and Python's own left out."""

    pip: Spec
    packages: tuple[tuple[str, str], ...]
    python_minor: int | None
    python_at: str = KEY
    text: str = ""

    @property
    def pure_pip(self) -> bool:
        return not self.packages


def read(text: str, at: str = KEY) -> CondaSpec:
    """Read a conda file. Raises ConfigInvalid with every fault."""
    spec, problems = _parse(text, at)
    if problems:
        raise ConfigInvalid(tuple(problems))
    return spec


def _parse(text: str, at: str) -> tuple[CondaSpec, list[Problem]]:
    """What can be read, and what is wrong with the rest. Raises ConfigInvalid for what is no conda file."""
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        place = f"{at}:{mark.line + 1}" if mark else at
        raise ConfigInvalid((Problem(place, "conda.malformed", f"no YAML: {why or error}"),)) from error
    listed = content.get("dependencies") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ConfigInvalid((Problem(at, "conda.malformed", "has no list of dependencies"),))
    problems: list[Problem] = []
    lines: list[str] = []
    packages: list[tuple[str, str]] = []
    minor, minor_at = None, at
    for number, item in enumerate(listed):
        place = f"{at}:dependencies[{number}]"
        if isinstance(item, dict) and isinstance(item.get("pip"), list):
            lines += [str(line) for line in item["pip"]]
        elif not isinstance(item, str):
            problems.append(Problem(place, "conda.malformed", "is neither a package nor a pip list"))
        elif (name := _name(item)) == "python":
            asked = re.search(r"=+\s*3\.(\d+)", item)
            minor, minor_at = (int(asked[1]) if asked else None), place
        elif name != "pip":
            packages.append((place, item))
    pip = Spec(())
    try:
        pip = of_requirements("\n".join(lines), f"{at}:pip")
    except ConfigInvalid as error:
        problems += error.problems
    return CondaSpec(pip, tuple(packages), minor, minor_at, text), problems


def from_conda(path: Path, python_minor: int | None = None) -> Spec:
    """Read the file as `of_conda` does its text."""
    return of_conda(text_of(path, KEY), python_minor)


def of_conda(text: str, python_minor: int | None = None, at: str = KEY) -> Spec:
    """Return the packages of a file whose packages all come from pip. Raises ConfigInvalid with every fault.

    `python` and `pip` are the base image's; *python_minor*, when known, must satisfy the file's python.
    """
    spec, problems = _parse(text, at)
    why = (
        "is a conda package: list it under pip, bring it with the base image,"
        " or let an engine install it with micromamba: --builder docker"
    )
    problems += [Problem(place, "conda.not_pip", f"{_name(item)!r} {why}") for place, item in spec.packages]
    if python_minor is not None and spec.python_minor not in (None, python_minor):
        text = f"asks for Python 3.{spec.python_minor}, the base image has 3.{python_minor}"
        problems.insert(0, Problem(spec.python_at, "conda.python", text))
    if problems:
        raise ConfigInvalid(tuple(problems))
    return spec.pip


def _name(item: str) -> str:
    return _SPLIT.split(item.rsplit("::", 1)[-1].strip(), maxsplit=1)[0].lower()
