"""Does a manifest ask for more than this device's owner allows? Every such wish with its path. Pure.

A wish is never stripped: a deployment that is run without what it asked for is another one than was signed.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgetender.errors import Problem
from edgetender.model.image import parse_reference
from edgetender.model.manifest import Manifest, Module, Variant
from edgetender.model.policy import LOOPBACK, Images, Policy
from edgetender.model.units import size_text


def violations(manifest: Manifest, policy: Policy, *, signed: bool) -> tuple[Problem, ...]:
    """Everything that *policy* forbids in *manifest*; empty for nothing."""
    return tuple(_all(manifest, policy, tags=policy.images.tags in ("allow", "" if signed else "unsigned")))


def _all(manifest: Manifest, policy: Policy, *, tags: bool) -> Iterator[Problem]:
    if len(manifest.modules) > policy.allowed.modules:
        said = f"{len(manifest.modules)} modules; {policy.allowed.modules} are allowed here"
        yield Problem("modules", "policy.modules", said)
    for name, module in manifest.modules.items():
        yield from _module(f"modules.{name}", module, policy, tags=tags)
    known = policy.allowed.credentials
    for host, access in manifest.registries.items():
        if known is not None and access.credential is not None and access.credential not in known:
            said = f"the credential {access.credential!r} is not for manifests here"
            yield Problem(f"registries.{host}.credential", "policy.credential", said)


def _module(path: str, module: Module, policy: Policy, *, tags: bool) -> Iterator[Problem]:
    for where, variant in _variants(path, module):
        yield from _image(f"{where}.image", variant.image, policy.images, tags=tags)
        if not policy.allowed.accelerators and variant.requires.accelerator is not None:
            yield Problem(f"{where}.requires.accelerator", "policy.accelerator", "none is for modules here")
    for index, capability in enumerate(module.capabilities):
        if capability not in policy.allowed.capabilities:
            said = (
                f"{capability} is not for modules here: allowed.capabilities of the policy does not list it"
            )
            yield Problem(f"{path}.capabilities[{index}]", "policy.capability", said)
    yield from _handed(path, module, policy)
    yield from _ports(path, module, policy)
    yield from _limits(f"{path}.resources", module, policy)
    volumes = policy.allowed.volumes
    for index, volume in enumerate(module.volumes):
        if volumes is not None and volume.name not in volumes:
            said = f"the volume {volume.name!r} is not for modules here"
            yield Problem(f"{path}.volumes[{index}].name", "policy.volume", said)


def _handed(path: str, module: Module, policy: Policy) -> Iterator[Problem]:
    """What it is shown of the device, and may tell beyond it."""
    for index, secret in enumerate(module.secrets):
        if secret not in policy.allowed.secrets:
            said = f"{secret!r} is not for modules here: allowed.secrets of the policy does not list it"
            yield Problem(f"{path}.secrets[{index}]", "policy.secret", said)
    for stream in module.streams:
        if policy.allowed.streams is not None and stream not in policy.allowed.streams:
            said = f"{stream!r} is not for modules here: allowed.streams of the policy does not list it"
            yield Problem(f"{path}.streams.{stream}", "policy.stream", said)


def _variants(path: str, module: Module) -> Iterator[tuple[str, Variant]]:
    if not module.variants:
        yield path, module.choices[0]
    for index, variant in enumerate(module.variants):
        yield f"{path}.variants[{index}]", variant


def _image(path: str, image: str, policy: Images, *, tags: bool) -> Iterator[Problem]:
    reference = parse_reference(image)
    wanted = policy.registries
    if wanted is not None and not any(_below(reference.name, one) for one in wanted):
        said = f"{reference.name} is not below {' or '.join(wanted) or 'anything that is allowed here'}"
        yield Problem(path, "policy.registry", said)
    if not tags and reference.digest is None:
        said = "a tag may name something else tomorrow; write …@sha256:…, as edgetender sign does"
        yield Problem(path, "policy.digest", said)


def _below(name: str, prefix: str) -> bool:
    return f"{name}/".startswith(f"{prefix.rstrip('/')}/")


def _ports(path: str, module: Module, policy: Policy) -> Iterator[Problem]:
    allowed, known = policy.ports, policy.allowed.credentials
    for index, port in enumerate(module.ports):
        where = f"{path}.ports[{index}]"
        if port.address not in (*LOOPBACK, *allowed.addresses):
            said = f"{port.address} is reached from outside; ports.addresses of the policy does not list it"
            yield Problem(f"{where}.address", "policy.address", said)
        if not allowed.first <= port.host <= allowed.last:
            said = f"{port.host} is not among {allowed.first} to {allowed.last}"
            yield Problem(f"{where}.host", "policy.port", said)
        if known is not None and port.tls is not None and port.tls.certificate not in known:
            said = f"the credential {port.tls.certificate!r} is not for manifests here"
            yield Problem(f"{where}.tls.certificate", "policy.credential", said)


def _limits(path: str, module: Module, policy: Policy) -> Iterator[Problem]:
    for key, text in (("memory", size_text), ("cpus", str), ("pids", str)):
        most, wanted = getattr(policy.limits, key), getattr(module.resources, key)
        if most is None:
            continue
        if wanted is None:
            yield Problem(f"{path}.{key}", "policy.limit", f"must be given here, at most {text(most)}")
        elif wanted > most:
            said = f"{text(wanted)} is more than the {text(most)} a module may have here"
            yield Problem(f"{path}.{key}", "policy.limit", said)
