"""What does one manifest change against another? For `plan`, for `history`, for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgetender.model.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value, as text; None: not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ModuleChange:
    """*action*: add, change, remove or keep."""

    module: str
    action: str
    fields: tuple[FieldChange, ...] = ()


def changes(before: Manifest | None, after: Manifest) -> tuple[ModuleChange, ...]:
    """One entry per module of either manifest, by name."""
    old = _modules(before) if before is not None else {}
    new = _modules(after)
    return tuple(_change(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys()))


def summary(found: tuple[ModuleChange, ...]) -> str:
    """`~scorer +ocr -legacy`: one word per module that is not kept."""
    marks = {"add": "+", "change": "~", "remove": "-"}
    return " ".join(marks[change.action] + change.module for change in found if change.action in marks)


def _change(name: str, old: dict[str, str] | None, new: dict[str, str] | None) -> ModuleChange:
    if old is None:
        return ModuleChange(name, "add")
    if new is None:
        return ModuleChange(name, "remove")
    differing = tuple(
        FieldChange(field, old.get(field), new.get(field))
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    )
    return ModuleChange(name, "change" if differing else "keep", differing)


def _modules(manifest: Manifest) -> dict[str, dict[str, str]]:
    dumped = manifest.model_dump(mode="json", exclude_defaults=True)["modules"]
    return {name: dict(_flat(module, "")) for name, module in dumped.items()}


def _flat(value: Any, path: str) -> list[tuple[str, str]]:
    match value:
        case dict():
            return [
                pair for key, item in value.items() for pair in _flat(item, f"{path}.{key}" if path else key)
            ]
        case list():
            return [pair for index, item in enumerate(value) for pair in _flat(item, f"{path}[{index}]")]
        case _:
            return [(path, str(value))]
