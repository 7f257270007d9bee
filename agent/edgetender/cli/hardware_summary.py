"""What does a technician want to know of the hardware? A few lines, and what is unknown or wrong with what helps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgetender.cli.output import Style, table
from edgetender.cli.words import size
from edgetender.model.hardware import Device, Fact, Hardware

# what must hold of an accelerator, and how a person says it: where it does, where it does not
_LAYERS = {
    "driven": ("driven", "not driven"),
    "consistent": ("", "driver and library do not fit"),
    "healthy": ("healthy", "not healthy"),
    "usable": ("", "not usable"),
    "injectable": ("", "not for containers"),
}
_NVIDIA = "nvidia"
# what variants ask for, so that its absence is worth a line: of any machine, of one with NVIDIA's driver for its
# accelerator, of an accelerator
_NEEDED = ("arch", "cpu_features", "memory_bytes", "accelerator")
_NEEDED_BY_NVIDIA = ("cuda", "l4t", "toolkit", "kernel_log", "nvidia_libcuda", "nvidia_nvml", "nvidia_smi")
_NEEDED_OF_DEVICES = frozenset({"compute_capability", "memory_bytes", "gfx"})
_AS_IT_SHOULD_BE = "mig_parent"  # the code of a card that containers get the instances of
_LEVELS = ("x86_level", "arm64_level", "oci_variant")  # the first that is known says most
_TOOLKIT = (
    "apt-get install nvidia-container-toolkit && nvidia-ctk runtime configure && systemctl restart docker"
)
_DRIVER = "nvidia_driver"
# by a fact's name or code, what a person can do about it
_HELP = {
    _DRIVER: "apt-get install nvidia-driver, then reboot",
    "toolkit_missing": _TOOLKIT,
    "mig_no_instance": "nvidia-smi mig -cgi PROFILE -C",
    "not_permitted": "look as root, or by the agent",
}
Row = tuple[str, str]
Doubt = tuple[str, str, str]  # of what, why, and the command that helps, where there is one


def summary_lines(found: Hardware, style: Style) -> list[str]:
    """The hardware as a person reads it: machine, processor, memory, each accelerator, containers, then doubts."""
    if not found.facts:
        return ["nothing is known of this device"]
    rows = [*_machine(found), *_accelerators(found), *_containers(found)]
    lines = table([(name, style.words(text)) for name, text in rows])
    for name, why, fix in _doubts(found):
        lines.append(f"{style.mark('‼', '[!!]', 'yellow')} {style.words(name)}  {style.words(why)}")
        lines += [f"     fix   {style.words(fix)}"] if fix else []
    return [*lines, "each fact: edgetender hardware --all"]


def _machine(found: Hardware) -> Iterator[Row]:
    kernel = found.value("kernel")
    if words := _listed(found.value("model"), found.value("os"), f"kernel {kernel}" if kernel else None):
        yield "machine", words
    level = next((value for name in _LEVELS if (value := found.value(name))), None)
    architecture = "/".join(str(one) for one in (found.value("arch") or "unknown", level) if one)
    count, name = found.value("cpu_count") or found.value("cores"), found.value("cpu_model")
    cores = f"{count} cores" if count else ""
    yield "cpu", _listed(f"{count} \u00d7 {name}" if count and name else name or cores, architecture)
    free = found.value("memory_available_bytes")
    limit = found.value("memory_limit_bytes")
    yield (
        "memory",
        _listed(
            _bytes(found.value("memory_bytes")) or "unknown",
            f"{_bytes(free)} free" if free else None,
            f"limited to {_bytes(limit)}" if limit else None,
        ),
    )


def _accelerators(found: Hardware) -> Iterator[Row]:
    devices = found.devices
    if cards := [device for device in devices if device.value("vendor") == _NVIDIA]:
        yield _NVIDIA, _nvidia(found, _on_bus(cards))
    for device in devices:
        yield device.key, _device(device)
    if not devices:
        fact = found.fact("accelerator")
        yield "accelerator", f"none: {fact.detail}" if fact and fact.detail else "none"


def _nvidia(found: Hardware, on_bus: bool) -> str:
    driver, said = found.fact(_DRIVER), "no driver" if on_bus else ""
    if driver is not None and driver.value:
        said = f"driver {driver.value}" + (f" ({driver.detail})" if driver.detail else "")
    words = (("CUDA", "cuda"), ("TensorRT", "tensorrt"), ("L4T", "l4t"), ("toolkit", "toolkit"))
    return _listed(said, *(f"{word} {value}" for word, name in words if (value := found.value(name))))


def _device(device: Device) -> str:
    """`NVIDIA H100 80GB HBM3, compute capability 9.0, 79.2 GiB, driven, healthy`."""
    vendor, kind, of_card = device.value("vendor"), device.value("kind"), device.value("compute_capability")
    states = (
        _LAYERS[name][0 if fact.value else 1]
        for name in _LAYERS
        if (fact := device.fact(name)) and fact.value is not None and fact.code != _AS_IT_SHOULD_BE
    )
    return _listed(
        device.value("name") or " ".join(str(one) for one in (vendor, kind) if one),
        f"compute capability {of_card}" if of_card else device.value("gfx"),
        f"MIG {mig.lower()}" if isinstance(mig := device.value("mig"), str) else None,
        "memory shared with the machine"
        if device.value("unified_memory")
        else _bytes(device.value("memory_bytes")),
        *states,
    )


def _containers(found: Hardware) -> Iterator[Row]:
    """What the engine can hand over; nothing where it was not asked."""
    docker, runtimes = found.value("docker"), found.value("runtimes")
    devices = found.value("cdi_devices")
    if docker is None and runtimes is None:
        return
    yield (
        "containers",
        _listed(
            f"docker {docker}" if docker else None,
            f"runtimes {' '.join(runtimes)}" if isinstance(runtimes, tuple) and runtimes else None,
            f"CDI {' '.join(devices)}" if isinstance(devices, tuple) and devices else None,
        ),
    )


def _doubts(found: Hardware) -> Iterator[Doubt]:
    cards = [device for device in found.devices if device.value("vendor") == _NVIDIA]
    undriven = _on_bus(cards) and found.value(_DRIVER) is None  # all else of NVIDIA's follows from that
    needed = _NEEDED + ((_DRIVER,) if undriven else _NEEDED_BY_NVIDIA if cards else ())
    yield from (_doubt(fact) for name in needed if (fact := found.fact(name)) and fact.value is None)
    limits = found.fact("memory_limits")
    if limits is not None and limits.value is False:
        yield _doubt(limits)
    for device in found.devices:
        yield from map(_doubt, filter(_is_doubtful, device.facts.values()))
    if not undriven:
        yield from _kept_from_containers(found, any(card.value("driven") is not False for card in cards))


def _is_doubtful(fact: Fact) -> bool:
    """Whether it keeps its accelerator from being chosen."""
    if fact.value is None:
        return fact.name in _NEEDED_OF_DEVICES
    return fact.value is False and fact.name in _LAYERS and fact.code != _AS_IT_SHOULD_BE


def _kept_from_containers(found: Hardware, has_card: bool) -> Iterator[Doubt]:
    """Why no container could have an NVIDIA card that a driver has taken."""
    accelerator, runtimes = found.fact("accelerator"), found.value("runtimes")
    if has_card and accelerator is not None and accelerator.value == "none":
        yield "containers", accelerator.detail, ""
    elif has_card and isinstance(runtimes, tuple) and _NVIDIA not in runtimes and found.value("cdi") is False:
        yield "containers", "the engine has no nvidia runtime and no CDI to hand a card over", _TOOLKIT


def _on_bus(cards: Sequence[Device]) -> bool:
    """Whether one has NVIDIA's driver for cards: what is inside a chip has the chip's own."""
    return any(card.value("kind") != "integrated" for card in cards)


def _doubt(fact: Fact) -> Doubt:
    said = "unknown" if fact.value is None else "no"
    why = f"{said}: {fact.detail}" if fact.detail else said
    return f"{fact.device} {fact.name}".strip(), why, _HELP.get(fact.name) or _HELP.get(fact.code, "")


def _listed(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _bytes(value: object) -> str:
    return size(value) if isinstance(value, int | float) else ""
