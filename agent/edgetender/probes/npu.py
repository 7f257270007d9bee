"""Which neural processors show themselves by device nodes and the device tree? Rockchip, Hailo, Qualcomm, others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact, Layer
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree

_COMPATIBLE = "proc/device-tree/compatible"
_ROCKCHIP = re.compile(r"rockchip,(rk3588s?|rk3576|rk3568|rk3566)(?=\0|$)")
_QUALCOMM = re.compile(r"qcom,(qcs6490|qcm6490|x1e\d*|qcs8550|qcs9100|sa8775p|qcs615|qrb\d+)(?![a-z0-9])")
_MEDIATEK = re.compile(r"mediatek,(mt8195|mt8390|mt8188|mt8370|mt8395)(?=\0|$)")
_CORAL_USB = ("1a6e:089a", "18d1:9302")


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    found = [*_rockchip(tree), *_hailo(tree), *_qualcomm(tree), *_mediatek(tree), *_coral(tree)]
    count = len({fact.device for fact in found})
    yield Fact("npu_devices", count, tree.shown("dev"))
    yield from found


def _device(
    key: str, vendor: str, name: str, source: str, *, driven: bool, nodes: tuple[str, ...]
) -> Iterator[Fact]:
    yield Fact("vendor", vendor, source, device=key, layer=Layer.PRESENT)
    yield Fact("kind", "npu", source, device=key, layer=Layer.PRESENT)
    yield Fact("name", name, source, device=key, layer=Layer.PRESENT)
    yield Fact("present", value=True, source=source, device=key, layer=Layer.PRESENT)
    why = "" if driven else "no kernel driver shows itself"
    yield Fact("driven", driven, source, why, key, Layer.DRIVEN, "" if driven else "driver_missing")
    if nodes:
        yield Fact("nodes", nodes, source, device=key, layer=Layer.DRIVEN)


def _compatible(tree: Tree, pattern: re.Pattern[str]) -> str:
    match = pattern.search(tree.text(_COMPATIBLE) or "")
    return match[1] if match else ""


def _rockchip(tree: Tree) -> Iterator[Fact]:
    chip = _compatible(tree, _ROCKCHIP)
    if not chip:
        return
    version = tree.line("sys/kernel/debug/rknpu/version")
    vendor_kernel = bool(version) or any(n.endswith(".npu") for n in tree.names("sys/class/devfreq"))
    driven = vendor_kernel or tree.exists("dev/rknpu")
    nodes = ("/dev/dri/renderD129",) if tree.exists("dev/dri/renderD129") else ()
    yield from _device("rockchip-npu", "rockchip", chip, tree.shown(_COMPATIBLE), driven=driven, nodes=nodes)
    if match := re.search(r"v?(\d+\.\d+\.\d+)", version):
        source = tree.shown("sys/kernel/debug/rknpu/version")
        yield Fact("driver", match[1], source, device="rockchip-npu", layer=Layer.DRIVEN)


def _hailo(tree: Tree) -> Iterator[Fact]:
    version = tree.line("sys/module/hailo_pci/version")
    for name in tree.names("dev"):
        if re.fullmatch(r"hailo\d+", name):
            yield from _device(
                name, "hailo", "Hailo", tree.shown(f"dev/{name}"), driven=True, nodes=(f"/dev/{name}",)
            )
            source = tree.shown("sys/module/hailo_pci/version")
            yield Fact("driver", version or None, source, "" if version else "not said", name, Layer.DRIVEN)


def _qualcomm(tree: Tree) -> Iterator[Fact]:
    chip = _compatible(tree, _QUALCOMM)
    nodes = tuple(f"/dev/{name}" for name in tree.names("dev") if name.startswith("fastrpc-"))
    if chip or nodes:
        source = tree.shown(_COMPATIBLE if chip else "dev")
        yield from _device(
            "qualcomm-npu", "qualcomm", chip or "Hexagon", source, driven=bool(nodes), nodes=nodes
        )


def _mediatek(tree: Tree) -> Iterator[Fact]:
    if chip := _compatible(tree, _MEDIATEK):
        yield from _device("mediatek-apu", "mediatek", chip, tree.shown(_COMPATIBLE), driven=False, nodes=())


def _coral(tree: Tree) -> Iterator[Fact]:
    for name in tree.names("dev"):
        if re.fullmatch(r"apex_\d+", name):
            yield from _device(
                name, "google", "Coral", tree.shown(f"dev/{name}"), driven=True, nodes=(f"/dev/{name}",)
            )
    for name in tree.names("sys/bus/usb/devices"):
        at = f"sys/bus/usb/devices/{name}"
        if f"{tree.line(f'{at}/idVendor')}:{tree.line(f'{at}/idProduct')}" in _CORAL_USB:
            yield from _device(f"usb-{name}", "google", "Coral USB", tree.shown(at), driven=True, nodes=())
