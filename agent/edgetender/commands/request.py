"""What was asked, read strictly: a refusal says what would have been understood. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


class Refused(Exception):
    """The request cannot be answered; *status* is what the asker is told with the message."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def object_of(request: Any) -> dict[str, Any]:
    """*request* as a JSON object; nothing at all counts as an empty one."""
    if request in (None, "", {}):
        return {}
    if not isinstance(request, dict):
        raise Refused("send a JSON object")
    version = request.get("schemaVersion", "1.0")
    if not isinstance(version, str) or not version.startswith("1."):
        raise Refused(f"schemaVersion {version!r} is not known; 1.0 is")
    return request


def member(request: dict[str, Any], key: str, kind: type[T], what: str) -> T:
    """The member *key*, which must be there."""
    value = request.get(key)
    if not isinstance(value, kind) or value == "":
        raise Refused(f"{key} is missing: {what}")
    return value


def number(request: dict[str, Any], key: str, *, least: int) -> int | None:
    """The whole number *key*; None if it is absent."""
    value = request.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise Refused(f"{key} is a whole number from {least}")
    return value
