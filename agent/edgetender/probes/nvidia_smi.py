"""What does nvidia-smi say? Its XML, CSV, list and table forms, of any driver, as one kind of answer. Pure."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_MIB = 1024 * 1024
_NOTHING = {
    "",
    "N/A",
    "[N/A]",
    "Not Supported",
    "[Not Supported]",
    "Unknown Error",
    "[Unknown Error]",
    "None",
}
_FAILURES = (
    (r"GPU is lost|fallen off the bus|Unable to determine the device handle", "gpu_lost"),
    (r"[Dd]river/library version mismatch", "driver_library_mismatch"),
    (r"Failed to initialize NVML: Unknown Error", "container_lost_device_cgroup"),
    (r"couldn't communicate with the NVIDIA driver|Driver Not Loaded", "driver_missing"),
)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card as a tool or a library shows it; what it does not say is empty or None."""

    name: str = ""
    uuid: str = ""
    pci: str = ""
    compute_capability: str = ""
    memory_bytes: int | None = None
    free_bytes: int | None = None
    memory_supported: bool = True
    mig: str = ""
    instances: tuple[tuple[str, int | None], ...] = ()  # (UUID, bytes) of each MIG instance
    brand: str = ""
    architecture: str = ""
    lost: bool = False
    integrated: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of driver and cards. *code* and *detail* say what went wrong, if anything did."""

    driver: str = ""
    cuda: str = ""
    gpus: tuple[Gpu, ...] = field(default_factory=tuple)
    code: str = ""
    detail: str = ""


def failure(text: str) -> str:
    """Why it could not say anything, as one word; empty where it did."""
    return next((code for pattern, code in _FAILURES if re.search(pattern, text)), "")


def xml(text: str) -> Said:
    """`nvidia-smi -q -x`."""
    begin = text.find("<nvidia_smi_log")
    if begin < 0 or "<!ENTITY" in text:
        return Said(code=failure(text) or "garbage", detail=" ".join(text.split())[:200])
    from xml.etree import ElementTree as ET  # where a driver answered: a device without one carries no parser

    try:
        log = ET.fromstring(text[begin:])  # noqa: S314  # the driver's own words; entities are refused
    except ET.ParseError as error:
        return Said(code=failure(text) or "garbage", detail=str(error))
    gpus = tuple(_gpu(each) for each in log.findall("gpu"))
    return Said(_of(log, "driver_version"), _of(log, "cuda_version"), gpus)


def table(text: str) -> Said:
    """`nvidia-smi`: only its head is read."""
    match = re.search(r"Driver Version:\s*(\S+).*?CUDA Version:\s*(\S+)", text)
    names = re.findall(r"^\|\s+\d+\s{2,}(\S.*?)\s{2,}", text, re.MULTILINE)
    unsupported = "Not Supported" in text
    gpus = tuple(Gpu(name=name, memory_supported=not unsupported) for name in names)
    if match is None:
        return Said(gpus=gpus, code=failure(text) or "garbage", detail=" ".join(text.split())[:200])
    return Said(_plain(match[1]), _plain(match[2]), gpus)


def listed(text: str) -> Said:
    """`nvidia-smi -L`."""
    found = re.findall(r"^GPU \d+: (.+?) \(UUID: ([^)]+)\)", text, re.MULTILINE)
    gpus = tuple(Gpu(name=name, uuid=uuid) for name, uuid in found)
    return Said(gpus=gpus, code="" if gpus else failure(text) or "garbage")


def query(text: str) -> Said:
    """`nvidia-smi --query-gpu=… --format=csv`, with the head that names the columns."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if row]
    if not rows or "name" not in rows[0]:
        return Said(code=failure(text) or "garbage", detail=" ".join(text.split())[:200])
    heads = [re.sub(r" \[.*\]$", "", head) for head in rows[0]]
    found = [dict(zip(heads, row, strict=False)) for row in rows[1:]]
    gpus = tuple(
        Gpu(
            name=_plain(row.get("name", "")),
            uuid=_plain(row.get("uuid", "")),
            pci=bus(_plain(row.get("pci.bus_id", ""))),
            compute_capability=_plain(row.get("compute_cap", "")),
            memory_bytes=_size(row.get("memory.total", "")),
            memory_supported="memory.total" not in row or _size(row["memory.total"]) is not None,
        )
        for row in found
    )
    return Said(_plain(found[0].get("driver_version", "")) if found else "", "", gpus)


def _gpu(node: Element) -> Gpu:
    total = _of(node, "fb_memory_usage/total", keep=True)
    instances = node.findall("mig_devices/mig_device")
    return Gpu(
        name=_of(node, "product_name"),
        uuid=_of(node, "uuid"),
        pci=bus(node.get("id", "")),
        memory_bytes=_size(total),
        free_bytes=_size(_of(node, "fb_memory_usage/free", keep=True)),
        memory_supported=not total or _size(total) is not None,
        mig=_of(node, "mig_mode/current_mig"),
        instances=tuple(
            (_of(each, "uuid"), _size(_of(each, "fb_memory_usage/total", keep=True))) for each in instances
        ),
        brand=_of(node, "product_brand"),
        architecture=_of(node, "product_architecture"),
        lost="GPU is lost" in "".join(node.itertext()),
    )


def _of(node: Element, path: str, *, keep: bool = False) -> str:
    text = (node.findtext(path) or "").strip()
    return text if keep else _plain(text)


def _plain(text: str) -> str:
    return "" if text.strip() in _NOTHING else text.strip()


def bus(text: str) -> str:
    """`00000000:01:00.0` as sysfs writes it, `0000:01:00.0`."""
    match = re.fullmatch(r"(?:[0-9a-fA-F]{4})?([0-9a-fA-F]{4}):([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7])", text)
    return f"{match[1]}:{match[2]}".lower() if match else ""


def _size(text: str) -> int | None:
    match = re.match(r"(\d+)\s*(?:MiB)?$", text.strip())
    return int(match[1]) * _MIB if match else None
