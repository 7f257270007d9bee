"""What the device has, as facts: each with its value, its source, or the reason why it is unknown."""

from __future__ import annotations

import platform
from dataclasses import dataclass

# What the kernel calls an architecture, in the words of images (GOARCH).
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of the hardware. *value* None means unknown; *detail* then says why."""

    name: str
    value: str | int | float | bool | None
    source: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """All facts of one look at the device; the first fact of a name counts."""

    facts: tuple[Fact, ...] = ()

    def fact(self, name: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.name == name), None)

    def value(self, name: str) -> str | int | float | bool | None:
        fact = self.fact(name)
        return fact.value if fact else None


def native_architecture() -> str:
    """This machine's architecture in the words of images."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())
