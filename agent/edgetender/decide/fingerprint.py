"""On which part of the hardware does a failure depend? A digest of each part: when it changes, memory is void. Pure."""

from __future__ import annotations

from edgetender.codec import canonical, sha256_hex
from edgetender.decide.look import Look

# part -> facts of the machine; what goes up and down by itself (free memory, temperatures) is none of them
_MACHINE = {
    "engine": (
        "docker", "runtimes", "cdi", "cdi_devices", "cdi_specs", "cdi_digest", "nvidia_toolkit", "toolkit",
        "nvidia_csv",
    ),
    "driver": ("nvidia_driver", "cuda", "l4t"),
    "cpu": ("arch", "x86_level", "arm64_level", "cpu_features"),
    "gpu": (),
    "memory": ("memory_bytes",),
    "image": (),
}  # fmt: skip
_DEVICE = ("vendor", "kind", "name", "uuid", "pci_id", "compute_capability", "gfx", "memory_bytes", "mig")
_WITH_DEVICES = ("gpu", "driver")
LENGTH = 16


def fingerprint(look: Look, part: str) -> str:
    """16 hex digits for one part (engine, driver, cpu, gpu, memory); several, joined by `+`, together."""
    return sha256_hex(canonical([_of(look, each) for each in part.split("+")]))[:LENGTH]


def _of(look: Look, part: str) -> object:
    facts = [[name, _plain(look.value(name))] for name in _MACHINE.get(part, ())]
    if part in _WITH_DEVICES:
        facts += [
            [device.key, name, _plain(device.value(name))] for device in look.devices for name in _DEVICE
        ]
    return facts


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
