"""What may a deployment ask of this device, whoever signed it? The owner's word, in `policy.toml`.

What no manifest can ask for is not in here: privileges, capabilities that reach the host, host paths, host
namespaces, device nodes by path, sysctls, security options, other runtimes. There is no key for them, and an
unknown key refuses the whole manifest.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.manifest import Capability, PortNumber
from edgetender.model.quantity import SizeBytes
from edgetender.model.reading import problems_of
from edgetender.model.wire import Wire

LOOPBACK = ("127.0.0.1", "::1")
_Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,254}$")]
_Address = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F.:]+$")]


class Images(Wire):
    """Where images may come from."""

    registries: tuple[_Prefix, ...] | None = Field(
        None, description="registry.example, or registry.example/team; absent: all"
    )
    tags: Literal["refuse", "unsigned", "allow"] = Field(
        "unsigned",
        description="where images may be named by a tag, which may name something else tomorrow: nowhere, "
        "in manifests that are not signed, or in signed ones too",
    )


class Ports(Wire):
    """Where modules may be reached. Loopback always is; everything else must be allowed."""

    addresses: tuple[_Address, ...] = Field((), description="beside loopback; 0.0.0.0 for all")
    first: PortNumber = Field(1, description="the lowest port of the device")
    last: PortNumber = Field(65535, description="the highest")

    @model_validator(mode="after")
    def _is_range(self) -> Ports:
        if self.first > self.last:
            raise ValueError("first is more than last")
        return self


class Limits(Wire):
    """What one module may use at most. Where a limit stands here, each module must name one of its own."""

    memory: SizeBytes | None = Field(None, description="bytes or 256MiB")
    cpus: Annotated[float, Field(ge=0.01, le=1024)] | None = Field(None, description="cores")
    pids: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = Field(
        None, description="processes and threads"
    )


class Allowed(Wire):
    """What modules may use of the device."""

    modules: Annotated[int, Field(ge=0, le=64, strict=True)] = Field(64, description="so many")
    capabilities: tuple[Capability, ...] = Field((), description="what root in a container may have")
    accelerators: bool = Field(default=True, description="whether modules may have one")
    volumes: tuple[str, ...] | None = Field(None, description="by name; absent: all")
    secrets: tuple[str, ...] = Field((), description="what modules may read, by name; none but these")
    streams: tuple[str, ...] | None = Field(
        None, description="on which modules may send messages, by name; absent: all"
    )
    credentials: tuple[str, ...] | None = Field(None, description="by name; absent: all")


class Policy(Wire):
    """Absent keys have their default; without a file all do."""

    images: Images = Field(default_factory=Images)
    ports: Ports = Field(default_factory=Ports)
    limits: Limits = Field(default_factory=Limits)
    allowed: Allowed = Field(default_factory=Allowed)


def policy_of(document: Any, name: str) -> Policy:
    """Raises ConfigInvalid with every fault; *name* is the file's."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        problems = [Problem(f"{name}: {one.path}", one.code, one.message) for one in problems_of(error)]
        raise ConfigInvalid(tuple(problems)) from None
