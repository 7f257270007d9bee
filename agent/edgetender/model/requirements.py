"""What may a variant ask of a device? The vocabulary of `requires`, `needs` and `probe`, each value checked.

Keys this agent does not know make the variant ineligible on it and never reject the manifest, so that one
manifest can serve a fleet of mixed agent versions. A value that cannot be read rejects the manifest.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from edgetender.model.compat import OF_MANIFESTS, builtin
from edgetender.model.quantity import Seconds, SizeBytes, parse_size
from edgetender.model.versions import version_range

_SIZE_TERM = re.compile(r"\s*(>=|<=|==|!=|>|<)?\s*([^<>=!,\s][^<>=!,]*)")
MAX_ALTERNATIVES = 16


def _written(value: Any) -> Any:
    """In quotes: YAML would read 12.10 as the number 12.1."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f'write it in quotes, like "{value}" or ">={value}"')
    return value


def _version(value: str) -> str:
    version_range(value)
    return value


def _sizes(value: str) -> str:
    size_terms(value)
    return value


def size_terms(text: str) -> tuple[tuple[str, int], ...]:
    """Read `>=6GiB,<16GiB` as (operator, bytes). Raises ValueError."""
    terms = []
    for part in text.split(","):
        match = _SIZE_TERM.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r} is no size to compare with; write it like >=6GiB")
        terms.append((match[1] or "==", parse_size(match[2].strip())))
    return tuple(terms)


def _count(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Version = Annotated[
    str,
    BeforeValidator(_written),
    AfterValidator(_version),
    WithJsonSchema({"type": "string", "pattern": r"\d"}),
]
Size = Annotated[str, AfterValidator(_sizes), WithJsonSchema({"type": "string", "pattern": r"\d"})]
Number = Annotated[
    str,
    BeforeValidator(_count),
    AfterValidator(_version),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"\d"}]}),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[
    tuple[Word, ...],
    BeforeValidator(_as_list),
    Field(max_length=64),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]


class Asked(BaseModel):
    """A set of predicates; keys of tomorrow are kept, so that they can be named."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, JsonValue]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Keys that this agent cannot judge."""
        return tuple(sorted(self.model_extra or {}))


class Accelerator(Asked):
    """One accelerator that satisfies all of this; it is the one the container gets."""

    vendor: Word | None = Field(None, description="nvidia, intel, amd, rockchip, hailo, qualcomm, google, …")
    kind: Word | None = Field(None, description="discrete, integrated, npu")
    name: Word | None = Field(None, description="what it calls itself; * stands for anything")
    compute_capability: Version | None = Field(None, description='NVIDIA\'s, like ">=7.5" or "==8.7"')
    memory: Size | None = Field(None, description='its own, or the machine\'s where that is shared: ">=6GiB"')
    gfx: Words | None = Field(None, description="AMD's targets, any of these")
    driver: Version | None = Field(None, description="the version of its kernel driver")
    count: Number | None = Field(None, description="how many such devices")
    mig: bool | None = Field(None, description="whether it is an instance of a partitioned NVIDIA card")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"vendor": value} if isinstance(value, str) else value

    @property
    def none(self) -> bool:
        """Whether it says in so many words that none is needed."""
        return self.vendor == "none"


class Board(Asked):
    """Which machine it is."""

    model: Word | None = Field(
        None, description="its name in the device tree or in DMI; * stands for anything"
    )
    dt_compatible: Words | None = Field(None, description="entries of the device tree's compatible list")
    dmi: Word | None = Field(None, description="vendor/product of DMI; * stands for anything")


class Requires(Asked):
    """What a variant needs of the device: all of it. `any_of` and `not` combine."""

    arch: Word | None = Field(None, description="the engine's architecture: amd64, arm64, arm")
    x86_level: Version | None = Field(None, description='x86-64 level of every processor: ">=v3"')
    cpu: Words | None = Field(None, description="features as the kernel's flags name them")
    arm_features: Words | None = Field(
        None, description="features as the kernel's HWCAPs name them: asimddp, i8mm"
    )
    arm_level: Version | None = Field(None, description='arm64 level, cautiously concluded: ">=v8.2"')
    cores: Number | None = Field(None, description='processors that are online: ">=4"')
    memory: Size | None = Field(None, description='the machine\'s, in all: ">=4GiB"')
    disk: Size | None = Field(None, description='where the engine keeps images, in all: ">=16GiB"')
    os: Word | None = Field(
        None, description="ID of os-release (debian), or its full name; * stands for anything"
    )
    kernel: Version | None = Field(None, description='">=5.10"')
    glibc: Version | None = Field(None, description="the host's; rarely needed")
    device: Board | None = Field(None, description="which machine it is")
    l4t: Version | None = Field(None, description='release of Jetson Linux: ">=36.4"')
    jetpack: Version | None = Field(None, description='">=6.1,<7"')
    docker: Version | None = Field(None, description="the engine's version")
    toolkit: Version | None = Field(None, description="NVIDIA Container Toolkit's version")
    cuda: Version | None = Field(
        None, description='what the driver can run, by NVIDIA\'s minor-version rule: ">=12.4"'
    )
    driver: Version | None = Field(None, description="the NVIDIA driver's version")
    accelerator: Accelerator | None = Field(
        None, description="an accelerator; absent or none: none is needed"
    )
    device_node: Words | None = Field(
        None, description="nodes that must exist, like /dev/hailo0; * stands for anything"
    )
    pci: Words | None = Field(None, description="vendor:device of PCI devices; * stands for anything")
    usb: Words | None = Field(None, description="vendor:product of USB devices; * stands for anything")
    label: dict[str, str] | None = Field(
        None, description="the operator's own, from the configuration's [labels]"
    )
    any_of: tuple[Requires, ...] | None = Field(
        None, min_length=1, max_length=MAX_ALTERNATIVES, description="at least one of these"
    )
    not_: Requires | None = Field(None, alias="not", description="not this")

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)


class Exact(BaseModel):
    """Strict on keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Needs(Exact):
    """What it uses while it runs: admitted before anything is pulled. One pool where the memory is shared."""

    memory: SizeBytes | None = Field(None, description="of the machine's memory")
    gpu_memory: SizeBytes | None = Field(None, description="of the accelerator's")
    disk: SizeBytes | None = Field(None, description="free where the engine keeps images, at the pull")


class Golden(Exact):
    """One input whose answer is known: it catches what detection cannot."""

    path: str = Field("/score", pattern=r"^/", description="where it is posted")
    body: JsonValue = Field(description="what is posted, as JSON")
    expect: JsonValue = Field(description="the answer, as JSON; numbers may differ by the tolerance")
    tolerance: Annotated[float, Field(ge=0)] = Field(1e-3, description="relative, and absolute below 1")


class Proof(Exact):
    """How a started variant proves itself, before it counts as good."""

    start_timeout: Seconds | None = Field(
        None, description="instead of health.deadline: engines may be built first"
    )
    port: Annotated[int, Field(ge=1, le=65535, strict=True)] = Field(
        5001, description="where the container answers"
    )
    path: str | None = Field(
        None, pattern=r"^/", description="an answer of its own to GET, in place of /v2's"
    )
    warmup: Annotated[int, Field(ge=0, le=1000, strict=True)] = Field(
        3, description="runs that are not timed"
    )
    runs: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(20, description="runs that are")
    p95_max: Seconds | None = Field(
        None, description="19 of 20 answers to the golden input take at most this"
    )
    min_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="part of the model's nodes the provider must run"
    )
    golden: Golden | None = Field(None, description="one input whose answer is known; it is what is timed")


def _tables(value: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
    if other := sorted((value or {}).keys() - set(OF_MANIFESTS)):
        raise ValueError(f"no table {other[0]!r} is read from a manifest, only {', '.join(OF_MANIFESTS)}")
    builtin().over(value or {})
    return value


CompatTables = Annotated[
    dict[str, JsonValue] | None,
    AfterValidator(_tables),
    Field(description=f"compatibility tables newer than the agents', each whole: {', '.join(OF_MANIFESTS)}"),
]


class Select(Exact):
    """How one of the usable variants is chosen."""

    mode: Literal["ranked", "measured"] = Field(
        "ranked",
        description="ranked: the first in the list; measured: each that can run is fetched and tried once, "
        "and the quickest of them stays",
    )
    candidates: Annotated[int, Field(ge=2, le=8, strict=True)] = Field(
        3, description="how many are measured, from the top of the list"
    )
    min_gain: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.15, description="a variant is passed over for one whose p95 is better by this part"
    )
