"""What shall run now? A manifest and the hardware become containers; two slots become one target."""

from __future__ import annotations

from dataclasses import dataclass

from edgetender.codec import canonical
from edgetender.decide.fronting import mechanism
from edgetender.decide.injecting import injection_of
from edgetender.decide.look import Look, look_at
from edgetender.decide.shadowing import asked_by
from edgetender.decide.variants import CLIMBING, Judged, Known, considered, judged
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
    Proving,
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


@dataclass(frozen=True, slots=True)
class Resolution:
    """A manifest on this hardware. *wanted* are all its images, *containers* those whose image is pinned."""

    slot: Slot
    containers: tuple[ContainerSpec, ...] = ()
    wanted: tuple[ImageWanted, ...] = ()
    considered: tuple[Considered, ...] = ()
    blocked: tuple[tuple[str, str], ...] = ()
    choices: tuple[Chosen, ...] = ()
    shadow: Shadow | None = None
    room_first: bool = False  # the device cannot hold old and new together
    urgent: bool = False  # its author wants no window and no module waited for

    def here(self, observed: Observed) -> bool:
        """Whether nothing needs to be fetched: every image is local, or its container is there already."""
        pinned = {spec.module: spec for spec in self.containers}
        return not self.blocked and all(
            wanted.module in pinned and is_here(pinned[wanted.module], observed) for wanted in self.wanted
        )


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
    look = look_at(hardware)
    for name, module in manifest.modules.items():
        mine = known(slot, name, module, ledger)
        found = judged(name, module, look, mine)
        verdicts += considered(name, found)
        chosen = next((each for each in found if each.verdict == "chosen"), None)
        if chosen is None:
            why = "; ".join(f"{each.variant.name}: {each.because}" for each in found)
            blocked.append((name, f"no variant fits this device ({why})"))
            continue
        variant, injection = chosen.variant, _injection(chosen, look, mine)
        choices.append(_choice(name, chosen, found, injection))
        reference = parse_reference(variant.image)
        access = manifest.registries.get(reference.registry)
        looked = resolution_key(slot, variant.image) in ledger.traits
        wanted.append(
            ImageWanted(
                name, variant.image, access.credential if access else None, looked, variant.needs.disk or 0
            )
        )
        if (pinned := pinned_image(slot, variant.image, ledger)) is not None:
            front = mechanism(module, manifest.update, hardware, gpu=wants_nvidia(variant))
            containers.append(_spec(name, module, variant, pinned, front, injection))
    return Resolution(
        slot, tuple(containers), tuple(wanted), tuple(verdicts), tuple(blocked), tuple(choices),
        room_first=manifest.update.strategy == "recreate", urgent=manifest.update.now,
        shadow=asked_by(manifest.update),
    )  # fmt: skip


def _choice(name: str, chosen: Judged, found: tuple[Judged, ...], injection: Injection | None) -> Chosen:
    better = next((each.variant for each in found if each.code == CLIMBING), None)
    return Chosen(
        name, chosen.variant.name, chosen.variant.image, chosen.devices, injection,
        better.name if better else None, better.image if better else "",
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
    return Known(ledger.demotions, traits, ledger.pins.get(name), held)


def pinned_image(slot: Slot, reference: str, ledger: Ledger) -> str | None:
    """The name by digest of what *slot* calls *reference*; None while a tag is not resolved yet."""
    parsed = parse_reference(reference)
    # of an index, the child that fits this processor's level may be what was pulled
    return ledger.resolved.get(resolution_key(slot, reference)) or (str(parsed) if parsed.digest else None)


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
            room_first=candidate.room_first or accepted is None, shadow=candidate.shadow,
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
    )


def _missing(resolution: Resolution, observed: Observed) -> tuple[ImageWanted, ...]:
    pinned = {spec.module: spec for spec in resolution.containers}
    return tuple(
        wanted
        for wanted in resolution.wanted
        if wanted.module not in pinned or not is_here(pinned[wanted.module], observed)
    )


def _spec(
    name: str, module: Module, variant: Variant, image: str, front: str, injection: Injection | None
) -> ContainerSpec:
    health, probe, proving = module.health, module.health.http, _proving(variant)
    asked = probe.port if probe else variant.probe.port if proving and not health.docker else None
    return ContainerSpec(
        module=name,
        variant=variant.name,
        image=image,
        command=module.command,
        env=tuple(sorted((module.env | variant.env).items())),
        ports=tuple(PublishedPort(p.host, p.container, p.protocol, p.address) for p in module.ports),
        mounts=tuple(Mount(volume.name, volume.path, volume.read_only) for volume in module.volumes),
        memory_bytes=module.resources.memory,
        cpus=module.resources.cpus,
        pids=module.resources.pids,
        read_only=module.read_only,
        capabilities=tuple(sorted(set(module.capabilities))),
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


def _proving(variant: Variant) -> Proving | None:
    """What the manifest wants to be shown; None where it names neither a provider nor a known answer."""
    proof, golden = variant.probe, variant.probe.golden
    if variant.provider is None and golden is None:
        return None
    return Proving(
        provider=variant.provider,
        min_share=proof.min_share,
        path=proof.path,
        port=proof.port,
        golden_path=golden.path if golden else "/score",
        golden_body=canonical(golden.body).decode() if golden else "",
        golden_expect=canonical(golden.expect).decode() if golden else "",
        tolerance=golden.tolerance if golden else 0.0,
        warmup=proof.warmup,
        runs=proof.runs,
        p95_max_s=proof.p95_max,
    )


def wants_nvidia(variant: Variant) -> bool:
    wanted = variant.requires.accelerator
    return wanted is not None and wanted.vendor == "nvidia"
