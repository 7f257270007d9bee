"""A device for checks, in one line: all is well unless a fact is named."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import trustme

from edgetender.checks.device import Contact, Device
from edgetender.checks.finding import Finding, Severity
from edgetender.config.settings import (
    CredentialsSettings,
    EventsSettings,
    Settings,
    TransportSettings,
    TrustSettings,
)
from edgetender.model.figures import EngineFacts
from edgetender.model.hardware import Fact, Hardware
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.engine import FakeEngine
from tests.fakes.registry import FakeImages

HARDWARE = Hardware((
    Fact("arch", "amd64", "uname"),
    Fact("memory_bytes", 16 * 1024**3, "/proc/meminfo"),
    Fact("accelerator", "none", "/proc", "no NVIDIA driver, no NVIDIA device"),
))  # fmt: skip
GIB = 1024**3


@dataclass
class FakeNetwork:
    """Keeps `checks.device.Network`. *dead* names and ports answer nobody; *certificate* is the far side's."""

    certificate: bytes = b""
    dead: set[str] = field(default_factory=set)
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if host in self.dead:
            raise socket.gaierror(-2, "Name or service not known")
        return ("192.0.2.1",)

    def reach(self, host: str, port: int) -> None:
        self.asked.append(f"{host}:{port}")
        if self.error is not None:
            raise self.error
        if host in self.dead:
            raise ConnectionRefusedError(111, "Connection refused")

    def handshake(
        self, host: str, port: int, ca: Path | None, certificate: Path | None, key: Path | None
    ) -> Contact:
        self.reach(host, port)
        return Contact(self.certificate, "TLSv1.3")


@dataclass
class FakeDisks:
    """Keeps `checks.device.Disks`: the same for every path."""

    free: int = 50 * GIB
    total: int = 100 * GIB
    inodes_free: int = 900
    inodes_total: int = 1000

    def space(self, path: Path) -> tuple[int, int]:
        return self.free, self.total

    def inodes(self, path: Path) -> tuple[int, int]:
        return self.inodes_free, self.inodes_total


def certificate(until: datetime) -> bytes:
    """PEM of a certificate for hub.example that is good until then."""
    issued = trustme.CA().issue_cert(
        "hub.example", not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=until
    )
    return issued.cert_chain_pems[0].bytes()


def device(folder: Path, **more: Any) -> Device:
    """A device with its files in *folder*. Settings are those of the keys `transport`, `registries`, `events`, `trust`."""
    state = folder / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    settings = Settings(
        device="line3-cam7",
        state_dir=state,
        transport=TransportSettings(**more.pop("transport", {})),
        registries=more.pop("registries", {}),
        events=more.pop("events", EventsSettings()),
        trust=more.pop("trust", TrustSettings("open", folder / "trust")),
        credentials=CredentialsSettings(folder / "credentials", folder / "handed"),
    )
    parts: dict[str, Any] = {
        "settings": settings,
        "engine": FakeEngine(),
        "images": FakeImages(),
        "credentials": FakeCredentials(),
        "network": FakeNetwork(),
        "disks": FakeDisks(),
        "clock": FakeClock(),
        "hardware": lambda: HARDWARE,
        "root": folder,
        "synchronized": lambda: True,
    }
    return Device(**(parts | more))


def mqtt(**more: Any) -> Mapping[str, Any]:
    return {"kind": "mqtt", "host": "hub.example"} | more


def look(name: str, folder: Path, **facts) -> Finding:
    return import_module(f"edgetender.checks.{name}").CHECK.run(device(folder, **facts))


def says(finding: Finding, severity: Severity, *words: str) -> None:
    """What is not well names its remedy; every word is in what is said or in that."""
    assert finding.severity is severity, finding
    assert bool(finding.repair) is (severity in (Severity.WARN, Severity.ERROR)), finding
    assert all(word in f"{finding.said}\n{finding.repair}" for word in words), finding


def down() -> FakeEngine:
    """An engine that does not answer."""
    engine = FakeEngine()
    engine.down = "cannot reach the engine: no such file"
    return engine


def told(**facts: Any) -> FakeEngine:
    """An engine that says *facts* of itself."""

    class Told(FakeEngine):
        def facts(self) -> EngineFacts:
            return replace(super().facts(), **facts)

    return Told()
