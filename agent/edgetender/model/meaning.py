"""How does an enumeration say what each of its members means? With it, so that code and reference page share it."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Self


class Code(IntEnum):
    """Members are written `NAME = number, meaning`."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member


class Word(StrEnum):
    """Members are written `NAME = word, meaning`."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        member = str.__new__(cls, word)
        member._value_, member.meaning = word, meaning
        return member
