"""Asks NVIDIA's own libraries, as a program of its own: whatever they do, they do it to this process only.

`python nvidia_child.py cuda|nvml LIBRARY` prints one JSON object. Standard library only: it is run isolated.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

_ATTRIBUTES = {"major": 75, "minor": 76, "integrated": 18}  # CUdevice_attribute of cuda.h
_NVML_NOT_SUPPORTED = 3
_NVML_TEMPERATURE_GPU = 0
_NAMES = 96


class _Uuid(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_ubyte * 16),)


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Use(ctypes.Structure):
    """nvmlUtilization_t: percent of the time since the driver's last look."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Pci(ctypes.Structure):
    """nvmlPciInfo_t, version 3."""

    _fields_ = (
        ("busIdLegacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("pciDeviceId", ctypes.c_uint),
        ("pciSubSystemId", ctypes.c_uint),
        ("busId", ctypes.c_char * 32),
    )


def cuda(library: str) -> dict[str, Any]:
    """What CUDA itself says: the one source that is the same on cards, Jetson, GB10 and WSL."""
    lib = ctypes.CDLL(library)
    if code := lib.cuInit(0):
        return {"error": code}
    version, count = ctypes.c_int(), ctypes.c_int()
    lib.cuDriverGetVersion(ctypes.byref(version))
    lib.cuDeviceGetCount(ctypes.byref(count))
    return {
        "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
        "devices": [_cuda_device(lib, number) for number in range(count.value)],
    }


def _cuda_device(lib: Any, number: int) -> dict[str, Any]:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAMES)
    lib.cuDeviceGet(ctypes.byref(device), number)
    lib.cuDeviceGetName(name, _NAMES, device)
    found: dict[str, Any] = {"name": name.value.decode(errors="replace")}
    for what, attribute in _ATTRIBUTES.items():
        value = ctypes.c_int()
        if lib.cuDeviceGetAttribute(ctypes.byref(value), attribute, device) == 0:
            found[what] = value.value
    total, bus, uuid = ctypes.c_size_t(), ctypes.create_string_buffer(32), _Uuid()
    if hasattr(lib, "cuDeviceTotalMem_v2") and lib.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0:
        found["memory"] = total.value
    if hasattr(lib, "cuDeviceGetPCIBusId") and lib.cuDeviceGetPCIBusId(bus, 32, device) == 0:
        found["pci"] = bus.value.decode(errors="replace")
    if hasattr(lib, "cuDeviceGetUuid") and lib.cuDeviceGetUuid(ctypes.byref(uuid), device) == 0:
        text = bytes(uuid.bytes).hex()
        found["uuid"] = f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return found


def nvml(library: str) -> dict[str, Any]:
    """What the management library says, by its C interface: the Python package is not needed for it."""
    lib = ctypes.CDLL(library)
    if code := lib.nvmlInit_v2():
        lib.nvmlErrorString.restype = ctypes.c_char_p
        said = lib.nvmlErrorString(code)
        return {"error": code, "detail": said.decode(errors="replace") if said else ""}
    driver, version, count = ctypes.create_string_buffer(80), ctypes.c_int(), ctypes.c_uint()
    lib.nvmlSystemGetDriverVersion(driver, 80)
    lib.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(version))
    lib.nvmlDeviceGetCount_v2(ctypes.byref(count))
    return {
        "driver": driver.value.decode(errors="replace"),
        "cuda": f"{version.value // 1000}.{version.value % 1000 // 10}" if version.value else "",
        "devices": [_nvml_device(lib, number) for number in range(count.value)],
    }


def _nvml_device(lib: Any, number: int) -> dict[str, Any]:
    handle = ctypes.c_void_p()
    if code := lib.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle)):
        return {"error": code}
    name, uuid, pci, memory = (
        ctypes.create_string_buffer(_NAMES), ctypes.create_string_buffer(_NAMES), _Pci(), _Memory(),
    )  # fmt: skip
    lib.nvmlDeviceGetName(handle, name, _NAMES)
    lib.nvmlDeviceGetUUID(handle, uuid, _NAMES)
    found: dict[str, Any] = {"name": name.value.decode(), "uuid": uuid.value.decode()}
    if lib.nvmlDeviceGetPciInfo_v3(handle, ctypes.byref(pci)) == 0:
        found["pci"] = pci.busId.decode(errors="replace")
    code = lib.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    if code == 0:
        found |= {"memory": memory.total, "free": memory.free}
    elif code == _NVML_NOT_SUPPORTED:
        found["memory_supported"] = False
    major, minor = ctypes.c_int(), ctypes.c_int()
    if lib.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor)) == 0:
        found |= {"major": major.value, "minor": minor.value}
    brand = ctypes.c_uint()
    if lib.nvmlDeviceGetBrand(handle, ctypes.byref(brand)) == 0:
        found["brand"] = brand.value
    found |= _busy(lib, handle)
    mode, pending = ctypes.c_uint(), ctypes.c_uint()
    if not hasattr(lib, "nvmlDeviceGetMigMode"):  # before driver 450
        return found
    if lib.nvmlDeviceGetMigMode(handle, ctypes.byref(mode), ctypes.byref(pending)) == 0:
        found["mig"] = bool(mode.value)
        found["instances"] = list(_instances(lib, handle)) if mode.value else []
    return found


def _busy(lib: Any, handle: Any) -> dict[str, Any]:
    use, celsius, found = _Use(), ctypes.c_uint(), {}
    if not hasattr(lib, "nvmlDeviceGetUtilizationRates"):
        return {}
    if lib.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(use)) == 0:  # no answer while MIG is on
        found["busy"] = use.gpu
    if lib.nvmlDeviceGetTemperature(handle, _NVML_TEMPERATURE_GPU, ctypes.byref(celsius)) == 0:
        found["celsius"] = celsius.value
    return found


def _instances(lib: Any, handle: Any) -> Any:
    most = ctypes.c_uint()
    lib.nvmlDeviceGetMaxMigDeviceCount(handle, ctypes.byref(most))
    for number in range(most.value):
        instance, uuid, memory = ctypes.c_void_p(), ctypes.create_string_buffer(_NAMES), _Memory()
        if lib.nvmlDeviceGetMigDeviceHandleByIndex(handle, number, ctypes.byref(instance)):
            continue
        lib.nvmlDeviceGetUUID(instance, uuid, _NAMES)
        known = lib.nvmlDeviceGetMemoryInfo(instance, ctypes.byref(memory)) == 0
        yield {"uuid": uuid.value.decode(), "memory": memory.total if known else None}


if __name__ == "__main__":
    try:
        print(json.dumps({"cuda": cuda, "nvml": nvml}[sys.argv[1]](sys.argv[2])))  # noqa: T201  # it is a program
    except (OSError, AttributeError) as error:  # no such library, or an old one without a function
        print(json.dumps({"error": -1, "detail": str(error)}))  # noqa: T201
