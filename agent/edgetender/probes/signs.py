"""What shows, for a millisecond's reading, that the hardware may have changed? Files that change with it."""

from __future__ import annotations

from edgetender.probes import kernel_log, pci
from edgetender.probes.runtimes import spec_files
from edgetender.probes.tree import Tree

_TIMES = (
    "etc/cdi", "var/run/cdi", "etc/nvidia-container-runtime/config.toml", "usr/bin/nvidia-ctk", "usr/bin/nvidia-smi",
    "usr/lib/x86_64-linux-gnu/libcuda.so.1", "usr/lib/aarch64-linux-gnu/libcuda.so.1", "etc/nv_tegra_release",
    "etc/docker/daemon.json",
)  # fmt: skip
_TEXTS = ("proc/driver/nvidia/version", "sys/module/nvidia/version", "sys/module/hailo_pci/version")
_FOLDERS = ("dev/dri", "dev/accel", "sys/bus/usb/devices", "proc/driver/nvidia/gpus", "recorded")
_NODES = ("nvidia", "hailo", "apex_", "kfd", "fastrpc", "rknpu")


def signs(tree: Tree) -> tuple[object, ...]:
    """Equal as long as nothing changed that anybody can see without asking a driver."""
    slots = pci.slots(tree) or ()
    mine = tuple((slot.address, slot.driver, slot.gone) for slot in slots if slot.accelerates)
    lost: object = ()
    if any(slot.vendor == pci.NVIDIA for slot in slots):
        lost = kernel_log.told(tree)
    return (
        tuple((path, tree.mtime(path)) for path in spec_files(tree)),
        tuple(
            tree.mtime(path) for path in (*_TIMES, *(f"recorded/{name}" for name in tree.names("recorded")))
        ),
        tuple(tree.line(path) for path in _TEXTS),
        tuple(tuple(tree.names(folder)) for folder in _FOLDERS),
        tuple(name for name in tree.names("dev") if name.startswith(_NODES)),
        mine,
        lost,
    )
