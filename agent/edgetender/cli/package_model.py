"""Which model does a word of the command line mean? A path, or the name of a registered one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.packaging.model_store import Model, ModelStore, framework_named, from_path, parse_model


def models_of(
    text: str | None,
    name: str | None,
    version: int,
    framework: str | None,
    store: ModelStore,
    problems: list[Problem],
) -> tuple[tuple[Model, ...], NotFound | None]:
    """The model that is to be packaged, if any, or that it is missing; what else is wrong joins *problems*."""
    if not text:
        return (), None
    try:
        return (_model(text, name, version, framework, store),), None
    except ConfigInvalid as error:
        problems += error.problems
    except NotFound as error:
        return (), error
    return (), None


def _model(text: str, name: str | None, version: int, framework: str | None, models: ModelStore) -> Model:
    path = Path(text)
    if path.exists() or path.is_symlink() or name is not None:
        found = from_path(
            path, name or Path(os.path.realpath(path)).stem, version
        )  # `.` has no name of its own
        return replace(found, framework=framework_named(framework)) if framework else found
    if "/" in text:
        raise NotFound(f"cannot find the model {text}: there is no such file")
    try:
        return models.get(*parse_model(text))
    except NotFound as error:
        raise NotFound(f"{error}, and there is no such file here") from error
