"""What do checks look with on this machine? Put together for the daemon, or for a command without one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgetender.checks.device import Device
from edgetender.checks.real import FileSystems, Sockets, synchronized
from edgetender.clock import Clock, SystemClock
from edgetender.config import files, load
from edgetender.config.settings import Settings
from edgetender.decide.resolving import resolve
from edgetender.errors import ConfigInvalid, ManifestInvalid, Problem
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.reading import read_manifest
from edgetender.model.target import ImageWanted
from edgetender.model.upstream import Link
from edgetender.model.webhook import Answer
from edgetender.ports import Credentials, Engine, Images

_ENGINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Means:
    """What the process that checks has at hand anyway."""

    settings: Settings
    engine: Engine
    images: Images
    credentials: Credentials
    clock: Clock
    hardware: Callable[[], Hardware]


def looking(
    config: Path | None,
    means: Means,
    *,
    ledger: Ledger | None = None,
    link: Link | None = None,
    webhook: Answer | None = None,
) -> Device:
    """As things are now; the configuration's files are read anew."""
    faults: tuple[Problem, ...] = ()
    try:
        load(config)
    except ConfigInvalid as error:
        faults = error.problems
    return Device(
        settings=means.settings,
        engine=means.engine,
        images=means.images,
        credentials=means.credentials,
        network=Sockets(),
        disks=FileSystems(),
        clock=means.clock,
        hardware=means.hardware,
        files=files(config),
        faults=faults,
        wanted=wanted_images(ledger, means.hardware()) if ledger is not None else None,
        link=link,
        webhook=webhook,
        ledger=ledger,
        environ=os.environ,
        synchronized=synchronized,
    )


def looking_alone(config: Path | None) -> Device:
    """Without a daemon: this process asks by itself. What only a daemon knows stays unknown."""
    from edgetender.engine.docker_engine import DockerEngine
    from edgetender.probes import detect
    from edgetender.registry.images import RegistryImages, RegistrySettings
    from edgetender.registry.issuers import Issuers
    from edgetender.registry.short_lived import ShortLived
    from edgetender.trust.credentials import CredentialFiles

    try:
        settings = load(config)
    except ConfigInvalid:
        settings = Settings()  # what is wrong with it is the first check's finding
    registries = {h: RegistrySettings(r.ca, r.plain_http) for h, r in settings.registries.items()}
    files = CredentialFiles(
        settings.credentials.directory, systemd_directory=None, received=settings.received_credentials
    )
    means = Means(
        settings,
        DockerEngine(settings.engine.socket, settings.device, timeout_s=_ENGINE_S),
        RegistryImages(registries, timeout_s=_ENGINE_S),
        ShortLived(files, Issuers(registries, timeout_s=_ENGINE_S), SystemClock()),
        SystemClock(),
        detect,
    )
    return looking(config, means)


def wanted_images(ledger: Ledger, hardware: Hardware) -> tuple[ImageWanted, ...]:
    """The images of the manifests in both slots, as this hardware chooses them."""
    found: list[ImageWanted] = []
    for slot in (ledger.accepted, ledger.candidate):
        if slot is None:
            continue
        try:
            manifest = read_manifest(slot.body.encode())
        except ManifestInvalid:
            continue  # an older release's; the loop says so
        found += resolve(slot, manifest, hardware, ledger).wanted
    return tuple(dict.fromkeys(found))
