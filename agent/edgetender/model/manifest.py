"""What a deployment manifest may say: schema `edgetender/v1`, read with every fault named at once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from edgetender.model.image import parse_reference
from edgetender.model.quantity import Seconds, SizeBytes
from edgetender.model.requirements import CompatTables, Needs, Proof, Requires, Select
from edgetender.model.updating import Update
from edgetender.model.wire import Wire

SCHEMA: Literal["edgetender/v1"] = "edgetender/v1"
MAX_VERSION = 2**53 - 1  # what every JSON reader can hold exactly
MIN_MEMORY_BYTES = 6 * 1024 * 1024  # Docker refuses less (daemon/daemon_unix.go, linuxMinMemory)

# Of those Docker gives by default, the ones that stay inside the container; of the others a manifest has no word.
Capability = Literal[
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"
]  # fmt: skip
DEFAULT_PIDS = 4096

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
PortNumber = Annotated[int, Field(ge=1, le=65535, strict=True)]
SHORT_PORT = r"(?:([0-9.]+):)?(\d+):(\d+)(?:/(tcp|udp))?"  # as docker users write it
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_ENV_BYTES = 64 * 1024


def _environment(value: dict[str, str]) -> dict[str, str]:
    if bad := [name for name in value if not ENV_NAME.fullmatch(name)]:
        raise ValueError(f"{bad[0]!r} is no name for an environment variable")
    if any("\0" in text for text in value.values()):
        raise ValueError("a value holds a null byte")
    if sum(len(name) + len(text.encode()) + 2 for name, text in value.items()) > _MAX_ENV_BYTES:
        raise ValueError("the environment is larger than 64KiB")
    return value


Environment = Annotated[dict[str, str], AfterValidator(_environment)]


class Variant(Wire):
    """One image that can do the module's job on some hardware; the list's order is the preference."""

    name: Name = Field(description="what status, history and reasons call it")
    image: str = Field(description="registry/repository:tag, or @sha256:… to pin it")
    requires: Requires = Field(default_factory=Requires, description="absent: it fits everywhere")
    allow_unknown: tuple[str, ...] = Field(
        (), max_length=32, description="predicates that may stay unknown; the probe decides then"
    )
    provider: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9]*$",
        description="ONNX Runtime's execution provider that must turn out to be active",
    )
    needs: Needs = Field(default_factory=Needs, description="what it uses while it runs")
    probe: Proof = Field(default_factory=Proof, description="how it proves itself once it runs")
    env: Environment = Field(default_factory=dict, description="added to the module's env, winning over it")

    @field_validator("image")
    @classmethod
    def _is_reference(cls, value: str) -> str:
        parse_reference(value)
        return value


class Tls(Wire):
    """The module's front speaks TLS (1.2 or newer) with clients, and plainly with the container."""

    certificate: Name = Field(
        description="a credential on the device: certificate, chain and unencrypted key, as PEM in one file"
    )


class Port(Wire):
    """A container port published on the host. Loopback unless the manifest says otherwise."""

    host: PortNumber = Field(description="the port on the device")
    container: PortNumber = Field(description="the port inside the container")
    protocol: Literal["tcp", "udp"] = "tcp"
    address: str = Field(
        "127.0.0.1",
        pattern=r"^(\d{1,3}\.){3}\d{1,3}$|^[0-9a-fA-F:]+$",
        description="the device's address to listen on; 0.0.0.0 for all",
    )
    retry: Literal["any", "idempotent"] = Field(
        "any",
        description="of requests over HTTP whose container died before it answered, those that a proxy in front asks "
        "again of another; idempotent: not POST and PATCH",
    )
    tls: Tls | None = Field(
        None, description="absent: the port is plain; else the module has a proxy in front"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Read the short form `[address:]host:container[/protocol]` that docker users write."""
        if not isinstance(value, str):
            return value
        match = re.fullmatch(SHORT_PORT, value)
        if match is None:
            raise ValueError(
                f"{value!r} is no port mapping; write it like 6789:5001 or 127.0.0.1:6789:5001/tcp"
            )
        short: dict[str, Any] = {"host": int(match[2]), "container": int(match[3])}
        return (
            short | ({"address": match[1]} if match[1] else {}) | ({"protocol": match[4]} if match[4] else {})
        )


class Volume(Wire):
    """A named volume of the engine, kept across versions."""

    name: Name = Field(description="the engine knows it as edgetender-NAME")
    path: str = Field(pattern=r"^/[^:]*$", description="absolute path inside the container")
    read_only: bool = False


class Resources(Wire):
    """Limits the engine enforces; absent means none, but for pids."""

    memory: SizeBytes | None = Field(None, description="bytes or 256MiB, no swap on top; at least 6MiB")
    cpus: Annotated[float, Field(gt=0, le=1024)] | None = Field(None, description="cores, 0.5 is half of one")
    pids: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = Field(
        None, description=f"processes and threads; absent: {DEFAULT_PIDS}"
    )

    @field_validator("memory")
    @classmethod
    def _is_runnable(cls, value: int | None) -> int | None:
        if value is not None and value < MIN_MEMORY_BYTES:
            raise ValueError(f"the engine needs at least 6MiB for a container, not {value} bytes")
        return value


class HttpProbe(Wire):
    """Ready means: this answers with a 2xx or 3xx."""

    port: PortNumber = Field(5001, description="the container's port; it need not be published")
    path: str = Field("/", pattern=r"^/")


class Health(Wire):
    """How the agent knows that a module can serve: over HTTP, by the image's HEALTHCHECK, or that it runs."""

    http: HttpProbe | None = Field(None, description="ask over HTTP")
    docker: bool = Field(default=False, description="trust the image's own HEALTHCHECK")
    interval: Seconds = Field(5.0, description="between two questions, once it was ready")
    timeout: Seconds = Field(2.0, description="for one answer")
    failures: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(
        3, description="so many refusals in a row make a module unhealthy that was ready before"
    )
    deadline: Seconds = Field(
        120.0, description="from container start to first ready; past it the start failed"
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Health:
        if self.http is not None and self.docker:
            raise ValueError("choose one: http or docker")
        return self


class Module(Wire):
    """One container's worth of work. `image:` is short for a single variant named `default`."""

    image: str | None = Field(None, description="registry/repository:tag, or @sha256:… to pin it")
    variants: tuple[Variant, ...] = Field(
        (), max_length=64, description="instead of image: the first that fits the device runs"
    )
    select: Select = Field(default_factory=Select, description="how a variant is chosen")
    on_device_loss: Literal["next", "hold"] = Field(
        "next", description="when its accelerator is lost: the next variant, or wait for it"
    )
    command: tuple[str, ...] | None = Field(None, description="instead of the image's own CMD")
    env: Environment = Field(default_factory=dict, description="environment variables; 64KiB at most")
    secrets: tuple[Name, ...] = Field((), max_length=16, description="files /run/secrets/NAME")
    streams: dict[Name, Literal["durable", "standard"]] = Field(
        default_factory=dict, max_length=16, description="of messages it sends through the agent, by name"
    )
    ports: tuple[Port, ...] = Field((), max_length=64, description="what is published on the device")
    volumes: tuple[Volume, ...] = Field((), max_length=64, description="what is kept across versions")
    resources: Resources = Field(default_factory=Resources, description="limits")
    read_only: bool = Field(
        default=False,
        description="its file system cannot be written; /tmp and /run are memory then, 64MiB each",
    )
    capabilities: tuple[Capability, ...] = Field(
        (),
        max_length=16,
        description="of root in the container; none but these, and the device's policy must allow them",
    )
    health: Health = Field(default_factory=Health, description="how readiness is judged; absent: it runs")
    restart: Literal["always", "on-failure", "never"] = Field(
        "always", description="what to do when the container ends"
    )
    depends_on: tuple[Name, ...] = Field(
        (),
        max_length=32,
        description="modules that must be ready before this one is started, or done where they are jobs",
    )
    stop_grace: Seconds = Field(10.0, description="from SIGTERM to SIGKILL")
    front: Literal["auto", "proxy", "nat", "none"] = Field(
        "auto",
        description="who holds the host ports and switches requests at an update; auto: a proxy for modules that "
        "are probed over HTTP at a published port and can run twice for a moment, else none (recreate)",
    )

    @field_validator("image")
    @classmethod
    def _is_reference(cls, value: str | None) -> str | None:
        if value is not None:
            parse_reference(value)
        return value

    @model_validator(mode="after")
    def _has_one_source(self) -> Module:
        if (self.image is None) == (not self.variants):
            raise ValueError("give either image or variants")
        names = [variant.name for variant in self.variants]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"variant {min(doubled)!r} is listed twice")
        return self

    @model_validator(mode="after")
    def _can_be_fronted(self) -> Module:
        if self.front in ("proxy", "nat") and not self.ports:
            raise ValueError(f"front {self.front} needs ports to hold")
        if self.front == "proxy" and any(port.protocol != "tcp" for port in self.ports):
            raise ValueError("front proxy holds TCP ports only; use nat or none")
        return self

    @property
    def choices(self) -> tuple[Variant, ...]:
        """The variants in order of preference; the short form counts as one without requirements."""
        return self.variants or (_only(self.image or ""),)


@lru_cache(maxsize=64)  # each cycle asks for the same few many times
def _only(image: str) -> Variant:
    return Variant(name="default", image=image)


class RegistryAccess(Wire):
    """How to reach one registry: the *name* of a credential on the device, never its value."""

    credential: Name | None = Field(None, description="a file of that name on the device")


class Manifest(Wire):
    """One deployment: everything that shall run on the device, and nothing else."""

    schema_: Literal["edgetender/v1"] = Field(alias="schema", description="how to read this document")
    deployment: Name = Field(description="what people call it")
    version: Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)] = Field(
        description="only ever rises: a device takes no lower one, and no other content under the same one"
    )
    modules: dict[Name, Module] = Field(max_length=64, description="by name; a module not listed is removed")
    registries: dict[str, RegistryAccess] = Field(default_factory=dict, description="keyed by host[:port]")
    update: Update = Field(default_factory=Update, description="how it comes, and when it counts as good")
    compat: CompatTables = None
    allow_empty: bool = Field(default=False, description="must be true for one that removes every module")
