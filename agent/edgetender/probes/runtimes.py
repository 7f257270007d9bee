"""What can the container engine hand to containers? From its `/version` and `/info`, and the toolkit's files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgetender.model.figures import EngineFacts, discovered
from edgetender.model.hardware import Fact, Layer
from edgetender.probes.nvidia_sources import RECORDED
from edgetender.probes.programs import Answer, Programs, no_programs
from edgetender.probes.tree import Tree

_SPECS = ("etc/cdi", "var/run/cdi", "run/cdi")
_TOOLKIT = "usr/bin/nvidia-ctk"
_CSV = "etc/nvidia-container-runtime/host-files-for-container.d"


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:
    """What is in files, and the toolkit's version; the engine's own answers only where a recording holds them."""
    tree = Tree(root)
    specs = tuple(sorted(_specs(tree)))
    yield Fact("cdi_specs", specs, tree.shown(_SPECS[0]), layer=Layer.INJECTABLE)
    yield Fact("cdi_digest", _digest(tree), tree.shown(_SPECS[0]), layer=Layer.INJECTABLE)
    yield Fact("nvidia_toolkit", tree.exists(_TOOLKIT), tree.shown(_TOOLKIT), layer=Layer.INJECTABLE)
    yield _toolkit(tree, programs)
    yield Fact("nvidia_csv", bool(tree.names(_CSV)), tree.shown(_CSV), layer=Layer.INJECTABLE)
    version, info = _recorded(tree, "docker-version.json"), _recorded(tree, "docker-info.json")
    if version is not None or info is not None:
        yield from of_engine(version or {}, info or {})


def _toolkit(tree: Tree, programs: Programs) -> Fact:
    """NVIDIA Container Toolkit says its own version: `NVIDIA Container Toolkit CLI version 1.17.4`."""
    source = tree.shown(_TOOLKIT)
    recorded = tree.text(f"{RECORDED}/nvidia-ctk.txt")
    if recorded is None and not tree.exists(_TOOLKIT):
        return Fact(
            "toolkit", None, source, "it is not installed", layer=Layer.INJECTABLE, code="toolkit_missing"
        )
    if recorded is not None:
        answer = Answer(recorded, 0)
    else:
        answer = programs("nvidia-ctk", (str(tree.place(_TOOLKIT)), "--version"))
    found = re.search(r"version v?(\d+(?:\.\d+)+)", answer.output)
    if found and not answer.code:
        return Fact("toolkit", found[1], source, layer=Layer.INJECTABLE)
    why = answer.detail or f"it does not say its version: {answer.output[:100]!r}"
    return Fact("toolkit", None, source, why, layer=Layer.INJECTABLE, code=answer.code or "garbage")


def of_engine(version: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[Fact]:
    """What the engine says of itself. Its architecture is that of containers, whatever the kernel's is."""
    if arch := version.get("Arch"):
        yield Fact("arch", str(arch), "Docker /version")
    if number := version.get("Version"):
        yield Fact("docker", str(number), "Docker /version")
    if "Runtimes" in info:
        runtimes = tuple(sorted(info["Runtimes"] or ()))
        yield Fact("runtimes", runtimes, "Docker /info", layer=Layer.INJECTABLE)
    if info:
        folders = tuple(info.get("CDISpecDirs") or ())
        yield Fact("cdi", bool(folders), "Docker /info", layer=Layer.INJECTABLE)
        ids = discovered(info)
        why = "" if ids is not None else "this engine does not say which it found"
        yield Fact("cdi_devices", ids, "Docker /info", why, layer=Layer.INJECTABLE)
        if info.get("MemoryLimit") is not None:
            limits = bool(info["MemoryLimit"])
            why = "" if limits else "memory limits are not applied: cgroup_enable=memory is missing at boot"
            yield Fact("memory_limits", limits, "Docker /info", why)


def of_engine_facts(facts: EngineFacts) -> Iterator[Fact]:
    """The same of what the engine port says."""
    said = {"Arch": facts.architecture, "Version": facts.version}
    info: dict[str, Any] = {
        "Runtimes": dict.fromkeys(facts.runtimes),
        "CDISpecDirs": ["…"] if facts.cdi else [],
        "MemoryLimit": facts.memory_limits,
    }
    if facts.cdi_devices is not None:
        info["DiscoveredDevices"] = [{"ID": one} for one in facts.cdi_devices]
    yield from of_engine(said, info)


def spec_files(tree: Tree) -> list[str]:
    """Where devices that the engine may hand over are described."""
    found = (f"{folder}/{name}" for folder in _SPECS for name in tree.names(folder))
    return [path for path in found if path.endswith((".yaml", ".yml", ".json"))]


def _digest(tree: Tree) -> str:
    """Of all that the specifications say: one that was written anew names other devices under the same kind."""
    whole = hashlib.sha256()
    for path in spec_files(tree):
        whole.update(path.encode() + b"\0" + (tree.bytes(path) or b"") + b"\0")
    return whole.hexdigest()[:12]


def _specs(tree: Tree) -> Iterator[str]:
    """Kinds of CDI devices that specifications on this machine describe, as `vendor/class`."""
    for path in spec_files(tree):
        for line in (tree.text(path) or "").splitlines():
            key, _, value = line.strip().strip("{,").partition(":")
            if key.strip(' "') == "kind":
                yield value.strip(' ",')
                break


def _recorded(tree: Tree, name: str) -> dict[str, Any] | None:
    text = tree.text(f"{RECORDED}/{name}")
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
