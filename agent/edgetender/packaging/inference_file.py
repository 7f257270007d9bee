"""How is an inference configuration written down? Reads the JSON form, with the keys of the original."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.named_environment import Environment
from edgetender.secret import Secret

_KEYS = {
    "entryScript": "entry_script",
    "runtime": "runtime",
    "condaFile": "conda_file",
    "extraDockerfileSteps": "extra_docker_file_steps",
    "extraDockerFileSteps": "extra_docker_file_steps",  # the original's documents have both
    "sourceDirectory": "source_directory",
    "enableGpu": "enable_gpu",
    "baseImage": "base_image",
    "cudaVersion": "cuda_version",
    "description": "description",
}
_KNOWN = (*_KEYS, "baseImageRegistry", "environment")
_WORDS = {bool: "true or false", str: "text"}


def from_json(
    path: Path, overrides: Mapping[str, Any] | None = None, *, script_required: bool = True
) -> InferenceConfig:
    """Read the file; *overrides* (by attribute) go before what is in it.

    Raises ConfigInvalid with every fault; unknown keys only become `warnings`.
    """
    if not path.is_file():
        why = "is a directory, no file" if path.is_dir() else "there is no such file"
        raise ConfigInvalid((Problem(str(path), "path.missing", why),))
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigInvalid((Problem(str(path), "json.malformed", str(error)),)) from error
    if not isinstance(content, dict):
        raise ConfigInvalid((Problem(str(path), "json.malformed", "is no JSON object"),))
    config = InferenceConfig(folder=path.parent)
    problems: list[Problem] = []
    config.warnings = tuple(_unknown(key) for key in content if key not in _KNOWN)
    for key in [key for key in content if key in _KEYS]:
        _set(config, key, content[key], problems)
    _registry(content.get("baseImageRegistry"), config, problems)
    _environment(content.get("environment"), config, problems)
    for name, value in (overrides or {}).items():
        setattr(config, name, value)
    problems += config.problems(script_required=script_required)
    if problems:
        raise ConfigInvalid((*problems, *config.warnings))  # a fault may be a slip in a key's name
    return config


def _unknown(key: str) -> Problem:
    near = get_close_matches(key, _KNOWN, 1)
    hint = f"; is {near[0]} meant?" if near else ""
    return Problem(key, "key.unknown", f"is no known key and is not used{hint}")


def _set(config: InferenceConfig, key: str, value: Any, problems: list[Problem]) -> None:
    expected = bool if key == "enableGpu" else str
    if value is None:
        return
    if not isinstance(value, expected):
        problems.append(Problem(key, "value.type", f"expects {_WORDS[expected]}, not {json.dumps(value)}"))
        return
    if key.startswith("extra") and config.extra_docker_file_steps not in (None, value):
        text = "is given in both spellings, with two values"
        problems.append(Problem("extraDockerfileSteps", "key.twice", text))
    setattr(config, _KEYS[key], value)


def _registry(value: Any, config: InferenceConfig, problems: list[Problem]) -> None:
    """A host's name, null, or the object of three."""
    match value:
        case None:
            pass
        case str():
            config.base_image_registry.address = value
        case dict():
            for key, part in value.items():
                if key not in {"address", "username", "password"} or not isinstance(part, str | None):
                    text = "expects address, username and password, each text"
                    problems.append(Problem(f"baseImageRegistry.{key}", "value.type", text))
                elif part is not None:
                    kept = Secret(part) if key == "password" else part
                    setattr(config.base_image_registry, key, kept)
        case _:
            text = "expects a host name, null or an object"
            problems.append(Problem("baseImageRegistry", "value.type", text))


def _environment(value: Any, config: InferenceConfig, problems: list[Problem]) -> None:
    """A registered one's name and version."""
    match value:
        case None:
            pass
        case {"name": str(name), **rest} if rest.keys() <= {"version"}:
            version = rest.get("version")
            if isinstance(version, str | int | None) and not isinstance(version, bool):
                config.environment = Environment(name, None if version is None else str(version))
            else:
                problems.append(Problem("environment.version", "value.type", "expects a number or text"))
        case _:
            text = "expects the name and version of a registered environment"
            problems.append(Problem("environment", "value.type", text))
