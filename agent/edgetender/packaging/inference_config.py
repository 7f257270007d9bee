"""How shall a model be served? The inference configuration, with the attributes of the original."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging import base_name, docker_steps, entry_script
from edgetender.packaging.layer import unpackable
from edgetender.packaging.named_environment import Environment
from edgetender.secret import Secret

_RUNTIMES = ("python", "spark-py", "python-slim")
_CUDA = re.compile(
    r"^(9\.[01]|10\.\d|1[1-9]\.\d{1,2})$"
)  # the original's 9.0, 9.1, 10.0, and what came since
_EXCLUDED = {  # an environment brings these itself
    "runtime": "runtime",
    "conda_file": "condaFile",
    "requirements_file": "requirements",
    "extra_docker_file_steps": "extraDockerfileSteps",
    "enable_gpu": "enableGpu",
    "cuda_version": "cudaVersion",
    "base_image": "baseImage",
}


@dataclass(slots=True)
class ContainerRegistry:
    """Where an image is; address, username and password, all three or none. It does not print the password."""

    address: str | None = None
    username: str | None = None
    password: Secret | str | None = field(default=None, repr=False)

    @property
    def host(self) -> str | None:
        return base_name.host_of(self.address) if self.address else None

    def secret(self) -> Secret | None:
        return Secret(self.password) if isinstance(self.password, str) else self.password

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
    directory). Not in the original: *requirements_file*, *folder*, *warnings*.
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
    environment: Environment | None = None
    requirements_file: str | None = None
    folder: Path = field(default_factory=Path)
    warnings: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        if self.base_image_registry is None:  # the original's default
            self.base_image_registry = ContainerRegistry()

    @property
    def source(self) -> Path:
        """Where the entry script and its assets are."""
        return self.folder / self.source_directory if self.source_directory else self.folder

    @property
    def base_reference(self) -> str | None:
        """The base image, at the registry that is named beside it where it names none itself."""
        host = self.base_image_registry.host
        return base_name.within(self.base_image, host) if self.base_image and host else self.base_image

    def path(self, relative: str) -> Path:
        return self.source / relative

    def problems(self, *, script_required: bool = True) -> tuple[Problem, ...]:
        """Return everything wrong with it, each with its key. Reads the files it names."""
        found = [*self.base_image_registry.problems(), *self._base_problems()]
        if self.source_directory and not self.source.is_dir():
            found.append(Problem("sourceDirectory", "path.missing", f"{self.source} is no directory"))
        elif self.source_directory:
            found += unpackable(self.source)
        if script_required or self.entry_script is not None:
            confined = bool(self.source_directory)
            found += entry_script.problems(self.entry_script, self.source, confined=confined)
        files = {
            "condaFile": self.conda_file,
            "requirements": self.requirements_file,
            "extraDockerfileSteps": self.extra_docker_file_steps,
        }
        for key, name in files.items():
            if name is not None and not self.path(name).is_file():
                found.append(Problem(key, "path.missing", f"{self.path(name)} is no file"))
        if self.conda_file is not None and self.requirements_file is not None:
            found.append(Problem("condaFile", "environment.twice", "excludes a requirements file; name one"))
        return (*found, *self._runtime_problems(), *self._environment_problems(), *self._step_problems())

    def check(self, *, script_required: bool = True) -> None:
        """Raise ConfigInvalid with every problem, if there is one."""
        if problems := self.problems(script_required=script_required):
            raise ConfigInvalid(problems)

    def _base_problems(self) -> list[Problem]:
        host = self.base_image_registry.host
        why = base_name.why_not_within(self.base_image, host) if self.base_image and host else None
        return [Problem("baseImageRegistry", "registry.other", why)] if why else []

    def _runtime_problems(self) -> list[Problem]:
        found: list[Problem] = []
        if self.runtime is not None and self.runtime not in _RUNTIMES:
            text = f"{self.runtime!r} is not one of {', '.join(_RUNTIMES)}"
            found.append(Problem("runtime", "value.unknown", text))
        elif self.base_image and self.runtime not in (None, "python"):
            text = "a base image of your own goes with the runtime python only"
            found.append(Problem("runtime", "value.conflict", text))
        elif self.runtime == "spark-py":
            text = "needs Spark, which no image here brings; use python, with pyspark in the environment"
            found.append(Problem("runtime", "value.unsupported", text))
        if self.cuda_version is not None and not _CUDA.match(self.cuda_version):
            text = f"{self.cuda_version!r} is no CUDA version; write it like 10.0 or 12.6"
            found.append(Problem("cudaVersion", "value.unknown", text))
        elif self.cuda_version is not None and not self.enable_gpu:
            found.append(Problem("cudaVersion", "value.conflict", "goes with enableGpu: true"))
        return found

    def _environment_problems(self) -> list[Problem]:
        if self.environment is None:
            return []
        given = [key for name, key in _EXCLUDED.items() if getattr(self, name) not in (None, False)]
        text = "excludes environment, which brings it; name one of the two"
        return [*(Problem(key, "environment.excludes", text) for key in given), *self.environment.problems()]

    def _step_problems(self) -> list[Problem]:
        name = self.extra_docker_file_steps
        if name is None or not self.path(name).is_file():
            return []
        return docker_steps.problems(self.path(name).read_text(encoding="utf-8", errors="replace"))
