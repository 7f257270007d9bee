"""What must not leave this device in a file that somebody else reads? Pure: text in, text without secrets out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

_SHORTEST = 4  # a shorter secret would blacken half of every log
_NAMES = r"(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie|sas|connection[_-]?string)"  # noqa: E501
_SECRET_NAME = re.compile(rf"{_NAMES}|(?:^|_)key$", re.IGNORECASE)
_PATTERNS = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        "***",
    ),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@\"']+@", re.IGNORECASE), r"\1***@"),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 ***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "***"),
    (re.compile(r"(\b(?:SharedAccessKey|sig|SharedAccessSignature)=)[^\s;&\"']+", re.IGNORECASE), r"\1***"),
)
_NAMED = re.compile(
    rf"((?:\b|_){_NAMES}[\w-]*[\"']?\s*[:=]\s*)(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s,;}}\]\"']+)",
    re.IGNORECASE,
)
_NO_SECRET = ("null", "true", "false")


class Redactor:
    """Blackens *secrets* wherever they stand, and whatever looks like one. Secrets themselves are not kept as text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, found))) if found else None

    def __repr__(self) -> str:
        return "Redactor(***)"

    def text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("***", text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        return _NAMED.sub(_blackened, text)


def _blackened(found: re.Match[str]) -> str:
    """What is quoted stays quoted, and what a quoted name has, becomes so: JSON stays JSON."""
    name, value = found.groups()
    if value in _NO_SECRET:
        return str(found[0])
    of_json = name.rstrip(" :=").endswith('"')
    if of_json and value[0] in "{[":  # what is in it has names of its own
        return str(found[0])
    quote = value[0] if value[0] in "\"'" else '"' if of_json else ""
    return f"{name}{quote}***{quote}"


def fingerprint(value: str) -> str:
    """What stands for a value: two devices with the same one can be told, the value cannot."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def without_environment(inspected: Any) -> Any:
    """`docker inspect`'s answer with every value of an environment replaced by its fingerprint."""
    if isinstance(inspected, list):
        return [without_environment(one) for one in inspected]
    if not isinstance(inspected, dict):
        return inspected
    return {
        key: [_covered(str(one)) for one in value]
        if key == "Env" and isinstance(value, list)
        else without_environment(value)
        for key, value in inspected.items()
    }


def secret_values(inspected: Any) -> set[str]:
    """Values of environment variables whose name says secret: they may stand in logs, too."""
    if isinstance(inspected, list):
        return set().union(*(secret_values(one) for one in inspected))
    if not isinstance(inspected, dict):
        return set()
    found = set().union(*(secret_values(value) for value in inspected.values()))
    for one in inspected.get("Env") or ():
        name, _, value = str(one).partition("=")
        if _SECRET_NAME.search(name):
            found.add(value)
    return found


def _covered(variable: str) -> str:
    name, separator, value = variable.partition("=")
    return f"{name}={fingerprint(value)}" if separator and value else variable
