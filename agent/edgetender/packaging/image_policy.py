"""May an image serve as a base? What was found in it against a profile. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from edgetender.packaging.image_facts import ImageFacts

_SERVER_PYTHON = 11  # what modules/scoring requires


@dataclass(frozen=True, slots=True)
class Finding:
    """One requirement: what is wanted, what was found, whether that will do; None: only told, not required."""

    what: str
    found: str
    wanted: str
    fits: bool | None


def judge(facts: ImageFacts, profile: str) -> tuple[Finding, ...]:
    """Return the findings, in the order people read them."""
    return (*PROFILES[profile](facts), *_told(facts))


def _edgetender(facts: ImageFacts) -> list[Finding]:
    """Wheels need a GNU C library of at least manylinux_2_28's, the server its Python; conda is nobody's need."""
    pythons = [version for version in facts.pythons.values() if _parts(version) >= (3, _SERVER_PYTHON)]
    return [
        Finding("os", _os(facts), "Linux", facts.platform.startswith("linux/")),
        Finding("glibc", _libc(facts), "≥ 2.28", facts.glibc is not None and _parts(facts.glibc) >= (2, 28)),
        Finding("python", _pythons(facts), f"≥ 3.{_SERVER_PYTHON}", bool(pythons)),
        Finding("conda", facts.conda or "none", "-", None),
    ]


def _azureml_2019(facts: ImageFacts) -> list[Finding]:
    """The founding document's: Ubuntu 16.04 or newer, Conda 4.5 or newer, Python 3.5 or 3.6."""
    ubuntu = facts.os_id == "ubuntu" and _parts(facts.os_version or "0") >= (16, 4)
    conda = facts.conda is not None and _parts(facts.conda) >= (4, 5)
    return [
        Finding("os", _os(facts), "Ubuntu ≥ 16.04", ubuntu),
        Finding("glibc", _libc(facts), "-", None),
        Finding("python", _pythons(facts), "3.5 or 3.6", bool({"3.5", "3.6"} & set(facts.pythons.values()))),
        Finding("conda", facts.conda or "none", "≥ 4.5", conda),
    ]


def _told(facts: ImageFacts) -> list[Finding]:
    return [
        Finding("cuda", facts.cuda or "none", "-", None),
        Finding("l4t", facts.l4t or "none", "-", None),
        Finding("platform", facts.platform, "-", None),
        Finding("user", facts.user or "root", "-", None),
    ]


def _os(facts: ImageFacts) -> str:
    return facts.os_name or " ".join(filter(None, (facts.os_id, facts.os_version))) or "unknown"


def _libc(facts: ImageFacts) -> str:
    return facts.glibc or ("musl" if facts.musl else "none")


def _pythons(facts: ImageFacts) -> str:
    return ", ".join(f"{version} ({path})" for path, version in sorted(facts.pythons.items())) or "none"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


PROFILES: dict[str, Callable[[ImageFacts], list[Finding]]] = {
    "edgetender": _edgetender,
    "azureml-2019": _azureml_2019,
}
