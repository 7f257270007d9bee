"""What shall run now? A manifest and the hardware become containers; two slots become one target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgetender.decide.fronting import lacking, mechanism
from edgetender.decide.injecting import injection_of
from edgetender.decide.look import Look, look_at
from edgetender.decide.measuring import MEASURING, key_of
from edgetender.decide.proving import proving_of
from edgetender.decide.shadowing import asked_by
from edgetender.decide.stride import pull_key
from edgetender.decide.variants import CLIMBING, TO_BE_MEASURED, UPWARDS, Judged, Known, considered, judged
from edgetender.model.compat import with_manifest
from edgetender.model.front import Shadow
from edgetender.model.gate import OPEN, Gate
from edgetender.model.hardware import Hardware
from edgetender.model.image import parse_reference
from edgetender.model.ledger import Ledger, Slot
from edgetender.model.manifest import Manifest, Module, Variant
from edgetender.model.observed import Observed
from edgetender.model.target import (
    Considered,
    ContainerSpec,
    HealthSpec,
    ImageWanted,
    Injection,
    Mount,
    PublishedPort,
    Target,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a module runs as, with which accelerators, and which variant before it in the list could run too."""

    module: str
    variant: str
    image: str
    devices: tuple[str, ...] = ()
    injection: Injection | None = None
    better: str | None = None
    better_image: str = ""
    measuring: bool = False  # it runs to be measured
    at_once: bool = False  # the better one need not prove stable first
    by_figures: bool = False  # it is to be measured, or was measured to be quicker


@dataclass(frozen=True, slots=True)
class Resolution:
    """A manifest on this hardware. *wanted* are all its images, *containers* those whose image is pinned.

    *beside* are images of variants that are to be measured after this one, with what they are pinned to: they are
    fetched first, so that nothing waits between two of them. *scarce* are those that could not be had.
    """

    slot: Slot
    containers: tuple[ContainerSpec, ...] = ()
    wanted: tuple[ImageWanted, ...] = ()
    considered: tuple[Considered, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    choices: tuple[Chosen, ...] = ()
    beside: tuple[tuple[ImageWanted, str | None], ...] = ()
    scarce: frozenset[str] = frozenset()
    shadow: Shadow | None = None
    room_first: bool = False  # the device cannot hold old and new together
    urgent: bool = False  # its author wants no window and no module waited for

    def here(self, observed: Observed) -> bool:
        """Whether nothing needs to be fetched: every image is local, or its container is there already."""
        pinned = {spec.module: spec for spec in self.containers}
        return (
            not self.blocked
            and all(
                wanted.module in pinned and is_here(pinned[wanted.module], observed) for wanted in self.wanted
            )
            and all(
                image in observed.images or wanted.reference in self.scarce for wanted, image in self.beside
            )
        )

    @property
    def timed(self) -> Iterator[tuple[ContainerSpec, tuple[str, ...]]]:
        """Containers that are to be measured, with the accelerators that were picked for them."""
        devices = {choice.module: choice.devices for choice in self.choices}
        for spec in self.containers:
            if spec.health.proving is not None and spec.health.proving.timed:
                yield spec, devices[spec.module]


def is_here(spec: ContainerSpec, observed: Observed) -> bool:
    """Whether *spec* can run without a pull."""
    return spec.image in observed.images or any(c.spec == spec.digest for c in observed.of(spec.module))


def resolve(slot: Slot, manifest: Manifest, hardware: Hardware, ledger: Ledger) -> Resolution:
    """Turn the manifest of *slot* into containers; a module without a fitting variant blocks it, with reasons."""
    containers: list[ContainerSpec] = []
    wanted: list[ImageWanted] = []
    verdicts: list[Considered] = []
    blocked: list[tuple[str, str]] = []
    choices: list[Chosen] = []
    beside: list[tuple[ImageWanted, str | None]] = []
    scarce: frozenset[str] = frozenset()
    look = look_at(hardware, with_manifest(manifest.compat))
    for name, module in manifest.modules.items():
        mine = known(slot, name, module, ledger)
        found = judged(name, module, look, mine)
        verdicts += considered(name, found)
        chosen = next((each for each in found if each.verdict == "chosen"), None)
        if chosen is None:
            why = "; ".join(f"{each.variant.name}: {each.because}" for each in found)
            blocked.append((name, f"no variant fits this device ({why})"))
            continue
        if (lack := lacking(module, hardware)) is not None:
            blocked.append((name, lack))
            continue
        variant, injection = chosen.variant, _injection(chosen, look, mine)
        choices.append(_choice(name, chosen, found, injection))
        wanted.append(_wanted(slot, name, variant, manifest, ledger))
        scarce |= mine.unfetched
        for rival in _rivals(found):
            pinned = pinned_image(slot, rival.image, ledger)
            beside.append((_wanted(slot, name, rival, manifest, ledger), pinned))
        if (pinned := pinned_image(slot, variant.image, ledger)) is not None:
            front = mechanism(module, manifest.update, hardware, gpu=wants_nvidia(variant))
            containers.append(_spec(name, module, variant, pinned, front, injection))
    return Resolution(
        slot, tuple(containers), tuple(wanted), tuple(verdicts), tuple(blocked), tuple(choices),
        tuple(beside), scarce, room_first=manifest.update.strategy == "recreate", urgent=manifest.update.now,
        shadow=asked_by(manifest.update),
    )  # fmt: skip


def _wanted(slot: Slot, module: str, variant: Variant, manifest: Manifest, ledger: Ledger) -> ImageWanted:
    access = manifest.registries.get(parse_reference(variant.image).registry)
    looked = resolution_key(slot, variant.image) in ledger.traits
    return ImageWanted(
        module, variant.image, access.credential if access else None, looked, variant.needs.disk or 0
    )


def _rivals(found: tuple[Judged, ...]) -> Iterator[Variant]:
    """Those that are to be measured and do not run yet."""
    for each in found:
        if each.code in (TO_BE_MEASURED, MEASURING) and each.verdict == "eligible":
            yield each.variant


def _choice(name: str, chosen: Judged, found: tuple[Judged, ...], injection: Injection | None) -> Chosen:
    up = next((each for each in found if each.verdict == "eligible" and each.code in UPWARDS), None)
    return Chosen(
        name, chosen.variant.name, chosen.variant.image, chosen.devices, injection,
        up.variant.name if up else None, up.variant.image if up else "",
        measuring=chosen.code == MEASURING, at_once=up is not None and up.code != CLIMBING,
        by_figures=up is not None and (up.code != CLIMBING or up.figure is not None),
    )  # fmt: skip


def _injection(chosen: Judged, look: Look, mine: Known) -> Injection | None:
    """How the accelerators are handed over; what runs keeps its own while nobody can say it better."""
    now = injection_of(chosen.devices, look)
    before = (
        mine.held.injection if mine.held is not None and mine.held.variant == chosen.variant.name else None
    )
    if before is not None and (chosen.code == "held" or now is None or (before.ids and not now.ids)):
        return before
    return now


def known(slot: Slot, name: str, module: Module, ledger: Ledger) -> Known:
    """What is remembered of a module's variants: their failures, and what their images ask for."""
    traits = {
        variant.image: found
        for variant in module.choices
        if (found := ledger.traits.get(resolution_key(slot, variant.image))) is not None
    }
    held = ledger.choices.get(resolution_key(slot, name))
    figures = {
        variant.image: figure
        for variant in module.choices
        if (pinned := pinned_image(slot, variant.image, ledger)) is not None
        and (figure := ledger.measured.get(key_of(name, pinned))) is not None
    }
    unfetched = frozenset(v.image for v in module.choices if pull_key(v.image) in ledger.attempts)
    return Known(ledger.demotions, traits, ledger.pins.get(name), held, figures, unfetched)


def pinned_image(slot: Slot, reference: str, ledger: Ledger) -> str | None:
    """The name by digest of what *slot* calls *reference*; None while a tag is not resolved yet."""
    # of an index, the child that fits this processor's level may be what was pulled
    if (pulled := ledger.resolved.get(resolution_key(slot, reference))) is not None:
        return pulled
    parsed = parse_reference(reference)
    return str(parsed) if parsed.digest else None


def resolution_key(slot: Slot, reference: str) -> str:
    """Tags are resolved once per manifest: a tag that moves on in the registry moves nothing here by itself."""
    return f"{slot.sha256[:16]} {reference}"


def aim(
    candidate: Resolution | None, accepted: Resolution | None, observed: Observed, gate: Gate = OPEN
) -> Target:
    """The target: the candidate's once all its images are here, else the accepted one's while they are fetched.

    While *gate* is shut for the candidate, nothing of it is fetched, or made.
    With nothing accepted and a candidate that is not here yet, what runs is left alone: it may be what the
    candidate will want (a rebuilt state database knows no accepted slot).
    """
    if candidate is not None and candidate.here(observed) and gate.apply is None:
        return Target(
            candidate.slot.version, candidate.slot.deployment, candidate.containers, (), candidate.considered,
            room_first=candidate.room_first or accepted is None, shadow=candidate.shadow, epoch=candidate.slot.epoch,
        )  # fmt: skip
    newest = candidate or accepted
    if newest is None:
        return Target(prune=False)
    fetch = _missing(newest, observed) if candidate is None or gate.download is None else ()
    if accepted is None:
        return Target(None, newest.slot.deployment, (), fetch, newest.considered, newest.blocked, prune=False)
    if candidate is not None:
        fetch = tuple(dict.fromkeys(_missing(accepted, observed) + fetch))
    return Target(
        version=accepted.slot.version,
        deployment=accepted.slot.deployment,
        containers=accepted.containers,
        fetch=fetch,
        considered=newest.considered,
        blocked=newest.blocked,
        prune=not accepted.blocked,
        epoch=accepted.slot.epoch,
    )


def _missing(resolution: Resolution, observed: Observed) -> tuple[ImageWanted, ...]:
    pinned = {spec.module: spec for spec in resolution.containers}
    first = (
        wanted
        for wanted in resolution.wanted
        if wanted.module not in pinned or not is_here(pinned[wanted.module], observed)
    )
    return (*first, *(wanted for wanted, image in resolution.beside if image not in observed.images))


def _spec(
    name: str, module: Module, variant: Variant, image: str, front: str, injection: Injection | None
) -> ContainerSpec:
    health, probe = module.health, module.health.http
    proving = proving_of(variant, timed=module.select.mode == "measured")
    asked = probe.port if probe else variant.probe.port if proving and not health.docker else None
    return ContainerSpec(
        module=name,
        variant=variant.name,
        image=image,
        command=module.command,
        env=tuple(sorted((module.env | variant.env).items())),
        ports=tuple(
            PublishedPort(
                p.host, p.container, p.protocol, p.address, p.tls.certificate if p.tls else "", p.retry
            )
            for p in module.ports
        ),
        mounts=tuple(Mount(volume.name, volume.path, volume.read_only) for volume in module.volumes),
        memory_bytes=module.resources.memory,
        cpus=module.resources.cpus,
        pids=module.resources.pids,
        read_only=module.read_only,
        capabilities=tuple(sorted(set(module.capabilities))),
        secrets=tuple(sorted(set(module.secrets))),
        streams=tuple(sorted(module.streams.items())),
        gpu=wants_nvidia(variant),
        injection=injection,
        restart=module.restart,
        stop_grace_s=module.stop_grace,
        health=HealthSpec(
            port=asked,
            path=probe.path if probe else "/",
            by_engine=health.docker,
            interval_s=health.interval,
            timeout_s=health.timeout,
            failures=health.failures,
            deadline_s=variant.probe.start_timeout or health.deadline,
            proving=proving,
        ),
        front=front,
        after=tuple(sorted(set(module.depends_on))),
    )


def wants_nvidia(variant: Variant) -> bool:
    wanted = variant.requires.accelerator
    return wanted is not None and wanted.vendor == "nvidia"
