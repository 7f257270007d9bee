"""What do our containers carry, so that the engine itself says what runs?"""

from __future__ import annotations

from edgetender.model.target import ContainerSpec

DEVICE = "io.edgetender.device"
MODULE = "io.edgetender.module"
VARIANT = "io.edgetender.variant"
VERSION = "io.edgetender.version"
SPEC = "io.edgetender.spec"
IMAGE = "io.edgetender.image"

_PREFIX = "edgetender-"


def labels_of(spec: ContainerSpec, version: int, device: str) -> dict[str, str]:
    """Everything `Container` is read back from, were the agent's own state lost."""
    return {
        DEVICE: device,
        MODULE: spec.module,
        VARIANT: spec.variant,
        VERSION: str(version),
        SPEC: spec.digest,
        IMAGE: spec.image,
    }


def container_name(spec: ContainerSpec) -> str:
    """One name per module and spec: the engine's refusal of a second one is our lock."""
    return f"{_PREFIX}{spec.module}-{spec.digest[:12]}"


def volume_name(volume: str) -> str:
    """A manifest can name only volumes that begin with our prefix: nobody else's can be mounted."""
    return f"{_PREFIX}{volume}"
