"""What is known of each NVIDIA card? The bus, the libraries and the kernel's log, joined by PCI address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from edgetender.model.compat import Tables
from edgetender.model.hardware import Fact, Layer
from edgetender.probes import pci
from edgetender.probes.memory import total_bytes
from edgetender.probes.nvidia_smi import Gpu
from edgetender.probes.nvidia_sources import Source
from edgetender.probes.tree import Tree

TEGRA = "tegra"  # the key of a chip's own accelerator, which is on no bus
_INTEGRATED = re.compile(r"\(nvgpu\)|\bGB10\b|\bThor\b|\bOrin\b|\bXavier\b|\bTegra\b")
_NO_UUID = re.compile(r"(GPU-)?[0-]*")
_GONE = "it has fallen off the bus; the machine must be started anew"
_UNLISTED = "the driver lists others and not this one: it was lost, or is kept for somebody else"
Named = dict[str, dict[str, Gpu]]  # key -> source -> what it says


def card_facts(
    tree: Tree,
    slots: Sequence[pci.Slot],
    sources: Sequence[Source],
    tables: Tables,
    lost: frozenset[str],
    trouble: str,
    *,
    tegra: bool,
) -> Iterator[Fact]:
    """Every card's facts, best source first. *lost* are addresses, *trouble* is what all of them suffer from."""
    named = _joined(sources, slots, tegra=tegra)
    on_bus = {slot.address: slot for slot in slots}
    listing = next((s.name for s in sources if any(gpu.pci for gpu in s.said.gpus)), "")
    for key in sorted(named.keys() | on_bus.keys()):
        said = named.get(key, {})
        slot = on_bus.get(key)
        gone = any(key.startswith(at) for at in lost) or any(gpu.lost for gpu in said.values())
        yield from _card(tree, key, said, tables, trouble, gone=gone or bool(slot and slot.gone), tegra=tegra)
        if listing and slot is not None and not said and not gone:
            yield Fact("healthy", False, listing, _UNLISTED, key, Layer.HEALTHY, "gpu_not_listed")
        if slot is not None:
            yield from pci.facts(tree, slot, "nvidia", "discrete", key)


def _joined(sources: Sequence[Source], slots: Sequence[pci.Slot], *, tegra: bool) -> Named:
    """Cards by key: PCI address, else UUID, else their number; what names neither belongs to the only card."""
    named: Named = {}
    alone = slots[0].address if len(slots) == 1 else None
    by_uuid = {gpu.uuid: gpu.pci for source in sources for gpu in source.said.gpus if gpu.pci and gpu.uuid}
    for source in sources:
        for number, gpu in enumerate(source.said.gpus):
            uuid = "" if _NO_UUID.fullmatch(gpu.uuid) else gpu.uuid
            known = gpu.pci or by_uuid.get(uuid, "")
            key = TEGRA if tegra and not known else known or alone or uuid or f"nvidia{number}"
            named.setdefault(key, {})[source.name] = gpu
    return named


def _card(
    tree: Tree, key: str, said: dict[str, Gpu], tables: Tables, trouble: str, *, gone: bool, tegra: bool
) -> Iterator[Fact]:
    integrated = _integrated(said, tables, tegra=tegra)
    source = next(iter(said), "PCI")
    yield Fact("vendor", "nvidia", source, "", key, Layer.PRESENT)
    if said:
        yield Fact("kind", "integrated" if integrated else "discrete", source, "", key, Layer.CONSISTENT)
    yield from _named(key, said, source, tables)
    yield from _memory(tree, key, said, integrated=integrated)
    yield from _condition(key, said, source, trouble, gone=gone, integrated=integrated)
    yield from _instances(key, said)


def _named(key: str, said: dict[str, Gpu], source: str, tables: Tables) -> Iterator[Fact]:
    """What the best source says of each; a compute capability may be concluded from a name, as a last resort."""
    for name in ("name", "uuid", "compute_capability", "brand", "architecture", "mig"):
        for source_name, gpu in said.items():
            value = getattr(gpu, name)
            if value and not (name == "uuid" and _NO_UUID.fullmatch(value)):
                yield Fact(name, value, source_name, "", key, Layer.CONSISTENT)
                break
    if not said or any(gpu.compute_capability for gpu in said.values()):
        return
    marketed = next((gpu.name for gpu in said.values() if gpu.name), "")
    if guess := tables.card(marketed):
        table, why = f"name {marketed!r}, tables {tables.version}", "concluded from its name"
        yield Fact("compute_capability", guess.value, table, why, key, Layer.PRESENT, low=True)
    else:
        why = "no library says it, and its name tells nothing"
        yield Fact("compute_capability", None, source, why, key, Layer.CONSISTENT, "not_said")


def _condition(
    key: str, said: dict[str, Gpu], source: str, trouble: str, *, gone: bool, integrated: bool
) -> Iterator[Fact]:
    if trouble:
        why = "the library does not fit the kernel's module; start the machine anew"
        yield Fact("consistent", False, "NVIDIA libraries", why, key, Layer.CONSISTENT, trouble)
    elif "libcuda" in said or "NVML" in said:
        yield Fact("consistent", True, source, "", key, Layer.CONSISTENT)
    if gone:
        yield Fact("healthy", False, source, _GONE, key, Layer.HEALTHY, "gpu_lost")
    elif any(not gpu.memory_supported for gpu in said.values()) and not integrated:
        why = "it no longer answers for its memory"
        yield Fact("healthy", False, source, why, key, Layer.HEALTHY, "gpu_lost")
    elif said:
        yield Fact("healthy", True, source, "", key, Layer.HEALTHY)


def _integrated(said: dict[str, Gpu], tables: Tables, *, tegra: bool) -> bool:
    return tegra or any(
        gpu.integrated
        or _INTEGRATED.search(gpu.name) is not None
        or (bool(gpu.compute_capability) and tables.integrated(gpu.compute_capability))
        for gpu in said.values()
    )


def _memory(tree: Tree, key: str, said: dict[str, Gpu], *, integrated: bool) -> Iterator[Fact]:
    """Its own memory; an integrated one shares the machine's, and says "Not Supported" of its own."""
    for name, attribute in (("memory_bytes", "memory_bytes"), ("memory_free_bytes", "free_bytes")):
        found = ((s, getattr(gpu, attribute)) for s, gpu in said.items())
        source, value = next(((s, v) for s, v in found if v is not None), ("", None))
        if value is not None and not integrated:
            yield Fact(name, value, source, "", key, Layer.CONSISTENT)
    if integrated:
        source = next(iter(said), "device tree")
        yield Fact("unified_memory", value=True, source=source, device=key, layer=Layer.CONSISTENT)
        shared = total_bytes(tree)
        detail = "shared with the machine" if shared else "shared with the machine, whose memory is unknown"
        yield Fact("memory_bytes", shared, tree.shown("proc/meminfo"), detail, key, Layer.CONSISTENT)


def _instances(key: str, said: dict[str, Gpu]) -> Iterator[Fact]:
    """With MIG on, CUDA sees only instances: each is a device of its own, the card itself is none."""
    source, gpu = next(((s, g) for s, g in said.items() if g.mig == "Enabled"), ("", None))
    if gpu is None:
        return
    count = len(gpu.instances)
    why = (
        f"MIG is on: a container gets one of its {count} instances"
        if count
        else "MIG is on, without an instance"
    )
    code = "mig_parent" if count else "mig_no_instance"
    yield Fact("usable", False, source, why, key, Layer.HEALTHY, code)
    yield Fact("mig_devices", count, source, "", key, Layer.CONSISTENT)
    capability = next((g.compute_capability for g in said.values() if g.compute_capability), "")
    for number, (uuid, memory) in enumerate(gpu.instances):
        own = f"{key}/mig{number}"
        for name, value in (
            ("vendor", "nvidia"),
            ("kind", "discrete"),
            ("name", f"{gpu.name} MIG"),
            ("mig_instance", True),
            ("memory_bytes", memory),
            ("uuid", uuid or None),
            ("compute_capability", capability or None),
            ("driven", True),
            ("healthy", not gpu.lost),
        ):
            missing = "" if value is not None else "not said"
            yield Fact(name, value, source, missing, own, Layer.CONSISTENT)
