"""A value that must never be printed: passwords, tokens, keys."""

from __future__ import annotations

from typing import NoReturn, final


@final
class Secret:
    """Holds text that prints as `***` everywhere; `reveal()` is the only way to it.

    Refuses to be pickled, JSON-encoded (it is no str) or compared by accident with a plain string.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call it only where it leaves for the party it is meant for."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a Secret: it would leave the process")
