"""By which means does a container get the accelerators that were picked for it? Pure."""

from __future__ import annotations

from edgetender.decide.look import Look
from edgetender.model.target import Injection

_NVIDIA = "nvidia"


def injection_of(devices: tuple[str, ...], look: Look) -> Injection | None:
    """What the engine is to be asked for; None where no device was picked.

    NVIDIA's go by a device request that pins them, or by NVIDIA's runtime: always on Jetson, and where the
    engine has no CDI but that runtime.
    """
    picked = [device for device in look.devices if device.key in devices]
    if not picked:
        return None
    vendor = str(picked[0].value("vendor"))
    if vendor == _NVIDIA:
        ids = tuple(str(uuid) for device in picked if (uuid := device.value("uuid")) is not None)
        tegra = look.value("tegra") is True
        return Injection(vendor, () if tegra else ids, _runtime(look, tegra=tegra))
    nodes = {node for device in picked if isinstance(found := device.value("nodes"), tuple) for node in found}
    groups = {group for device in picked if isinstance(group := device.value("group"), int) and group}
    return Injection(vendor, nodes=tuple(sorted(nodes)), groups=tuple(sorted(groups)))


def _runtime(look: Look, *, tegra: bool) -> str:
    runtimes = look.value("runtimes")
    registered = isinstance(runtimes, tuple) and _NVIDIA in runtimes
    return _NVIDIA if tegra or (registered and look.value("cdi") is False) else ""
