"""How shall a model be served? The inference configuration, with the keys and attributes of the original."""

import ast
import json
import keyword
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgetender.errors import ConfigInvalid, Problem
from edgetender.secret import Secret

_KEYS = {
    "entryScript": "entry_script",
    "runtime": "runtime",
    "condaFile": "conda_file",
    "extraDockerfileSteps": "extra_docker_file_steps",
    "extraDockerFileSteps": "extra_docker_file_steps",
    "sourceDirectory": "source_directory",
    "enableGpu": "enable_gpu",
    "baseImage": "base_image",
    "baseImageRegistry": "base_image_registry",
    "cudaVersion": "cuda_version",
    "description": "description",
}
_RUNTIMES = ("python", "spark-py", "python-slim")
_ENTRY = re.compile(r"^[A-Za-z_]\w*$")


@dataclass(slots=True)
class ContainerRegistry:
    """Where a private base image is; address, username and password, all three or none."""

    address: str | None = None
    username: str | None = None
    password: Secret | str | None = None

    def problems(self) -> list[Problem]:
        given = [self.address, self.username, self.password]
        if self.address and not self.username and not self.password:
            return []  # a public registry, as the JSON file's bare string names it
        if any(given) and not all(given):
            text = "needs address, username and password: all three or none"
            return [Problem("baseImageRegistry", "registry.incomplete", text)]
        return []


@dataclass(slots=True)
class InferenceConfig:
    """The configuration; attributes may be set after it is made, `problems` looks when asked.

    Paths in it are relative to *source_directory*, that to *folder*, where the file was (here: the working
    directory).
    """

    entry_script: str | None = None
    runtime: str | None = None
    conda_file: str | None = None
    extra_docker_file_steps: str | None = None
    source_directory: str | None = None
    enable_gpu: bool | None = None
    description: str | None = None
    base_image: str | None = None
    base_image_registry: ContainerRegistry = field(default_factory=ContainerRegistry)
    cuda_version: str | None = None
    requirements_file: str | None = None
    folder: Path = field(default_factory=Path)
    warnings: tuple[Problem, ...] = ()

    @property
    def source(self) -> Path:
        """Where the entry script and its assets are."""
        return self.folder / self.source_directory if self.source_directory else self.folder

    def path(self, relative: str) -> Path:
        return self.source / relative

    def problems(self) -> tuple[Problem, ...]:
        """Return everything wrong with it, each with its key. Reads the files it names."""
        found = [*self.base_image_registry.problems()]
        if self.source_directory and not self.source.is_dir():
            found.append(Problem("sourceDirectory", "path.missing", f"{self.source} is no directory"))
        found += self._script_problems()
        for key, name in (("condaFile", self.conda_file), ("requirements", self.requirements_file)):
            if name is not None and not self.path(name).is_file():
                found.append(Problem(key, "path.missing", f"{self.path(name)} is no file"))
        if self.conda_file is not None and self.requirements_file is not None:
            found.append(Problem("condaFile", "environment.twice", "excludes a requirements file; name one"))
        if self.runtime is not None and self.runtime not in _RUNTIMES:
            text = f"{self.runtime!r} is not one of {', '.join(_RUNTIMES)}"
            found.append(Problem("runtime", "value.unknown", text))
        elif self.base_image and self.runtime not in (None, "python"):
            text = "a base image of your own goes with the runtime python only"
            found.append(Problem("runtime", "value.conflict", text))
        if self.extra_docker_file_steps is not None:
            text = "Dockerfile steps need an engine that builds; this builder assembles without one"
            found.append(Problem("extraDockerfileSteps", "builder.cannot", text))
        return tuple(found)

    def check(self) -> None:
        """Raise ConfigInvalid with every problem, if there is one."""
        if problems := self.problems():
            raise ConfigInvalid(problems)

    def _script_problems(self) -> list[Problem]:
        key = "entryScript"
        if not self.entry_script:
            return [Problem(key, "value.missing", "is required: the Python file with init() and run()")]
        path = self.path(self.entry_script)
        if path.suffix != ".py":
            return [Problem(key, "script.name", f"{self.entry_script!r} is no .py file")]
        if not _ENTRY.match(path.stem) or keyword.iskeyword(path.stem):
            return [Problem(key, "script.name", f"{path.stem!r} is no name Python can import")]
        if not path.is_file():
            return [Problem(key, "path.missing", f"{path} is no file")]
        if self.source_directory and not path.resolve().is_relative_to(self.source.resolve()):
            return [Problem(key, "script.outside", f"{path} is not inside {self.source}")]
        return _code_problems(path)


def _code_problems(path: Path) -> list[Problem]:
    key = "entryScript"
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return [Problem(f"{key}:{path.name}:{line}", "script.syntax", f"does not parse: {error}")]
    defined = {
        node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    imported = any(isinstance(node, ast.ImportFrom) for node in tree.body)
    found: list[Problem] = []
    if not imported:  # what another module brings is seen at the start only
        missing = [name for name in ("init", "run") if name not in defined]
        found += [Problem(key, "script.function", f"{path.name} defines no {name}()") for name in missing]
    run = defined.get("run")
    if run is not None and not {one.arg for one in (*run.args.args, *run.args.kwonlyargs)} - {
        "request_headers"
    }:
        found.append(Problem(f"{key}:{path.name}:{run.lineno}", "script.argument", "run() takes no argument"))
    return found


def from_json(path: Path) -> InferenceConfig:
    """Read the JSON form. Raises ConfigInvalid with every fault; unknown keys only become `warnings`."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid((Problem(str(path), "json.malformed", str(error)),)) from error
    if not isinstance(content, dict):
        raise ConfigInvalid((Problem(str(path), "json.malformed", "is no JSON object"),))
    config = InferenceConfig(folder=path.parent)
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for key, value in content.items():
        if key == "baseImageRegistry":
            _registry(value, config, problems)
        elif key not in _KEYS:
            warnings.append(Problem(key, "key.unknown", "is no known key and is not used"))
        elif value is not None:
            expected = bool if key == "enableGpu" else str
            if isinstance(value, expected):
                setattr(config, _KEYS[key], value)
            else:
                problems.append(Problem(key, "value.type", f"expects {expected.__name__}, not {value!r}"))
    config.warnings = tuple(warnings)
    problems += config.problems()
    if problems:
        raise ConfigInvalid(tuple(problems))
    return config


def _registry(value: Any, config: InferenceConfig, problems: list[Problem]) -> None:
    match value:
        case None:
            pass
        case str():
            config.base_image_registry.address = value
        case dict():
            given = {k: v for k, v in value.items() if v is not None}
            for key, part in given.items():
                if key not in {"address", "username", "password"} or not isinstance(part, str):
                    text = "expects address, username and password, each text"
                    problems.append(Problem(f"baseImageRegistry.{key}", "value.type", text))
                elif key == "password":
                    config.base_image_registry.password = Secret(part)
                else:
                    setattr(config.base_image_registry, key, part)
        case _:
            text = "expects a host name, null or an object"
            problems.append(Problem("baseImageRegistry", "value.type", text))
