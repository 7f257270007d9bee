"""Machines as trees of files below a root: recorded ones unpacked, others written by hand."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parents[3] / "shared" / "fixtures" / "hardware"
LOADERS = {
    "armhf": "lib/ld-linux-armhf.so.3",
    "arm": "lib/ld-linux-armhf.so.3",
    "arm64": "lib/ld-linux-aarch64.so.1",
    "amd64": "lib64/ld-linux-x86-64.so.2",
    "x86_64": "lib64/ld-linux-x86-64.so.2",
    "i386": "lib/ld-linux.so.2",
}


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    """A machine where these *files* are all there is."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def unpacked(root: Path, archive: Path) -> Path:
    """The machine in a recording of /proc and /sys; links are kept, the outermost folder is looked for."""
    with tarfile.open(archive) as recording:
        for member in recording:
            if member.isdir() or member.isreg() or member.issym():
                member.mode = 0o755
                recording.extract(member, root, filter="tar")
    (inner,) = [path.parent for path in (*root.glob("proc"), *root.glob("*/proc"))]
    return inner


def board(root: Path, record: dict[str, Any]) -> Path:
    """The machine that one of sbc-bench's records describes: its kernel's files as they must have been."""
    arch, flags = record["arch"], record["flags"] or []
    key = "flags" if arch in ("x86_64", "i686") else "Features"
    lines = [f"processor\t: {number}\n" for number in range(int(record["cpus"] or 1))]
    common = f"model name\t: {record['model_name']}\n"
    if arch in ("x86_64", "i686"):
        common += f"vendor_id\t: {record['vendor']}\n"
    elif arch.startswith("arm"):
        common += f"CPU architecture: {arch[4]}\n" if arch[4] != "6" else "CPU architecture: 7\n"
        common = (
            common.replace("model name\t: ", "model name\t: ARMv6-compatible ") if arch[4] == "6" else common
        )
    elif arch == "aarch64":
        common += "CPU architecture: 8\n"
    if flags:
        common += f"{key}\t: {' '.join(flags)}\n"
    files: dict[str, str | bytes] = {
        "proc/cpuinfo": "\n".join(line + common for line in lines),
        "proc/sys/kernel/arch": arch + "\n",
        "proc/meminfo": "MemTotal: 8000000 kB\n",
    }
    if record.get("dt_compatible"):
        files["proc/device-tree/compatible"] = "\0".join(record["dt_compatible"]) + "\0"
    if loader := LOADERS.get(record.get("userland") or ""):
        files[loader] = ""
    return write(root, files)


def lscpu(text: str) -> dict[str, Any]:
    """The record that an `lscpu` text holds."""
    found = dict(re.findall(r"^([^:\n]+):\s*(.*)$", text, re.MULTILINE))
    flags = re.findall(r"^\s*Flags:\s*(.*)$", text, re.MULTILINE)
    return {
        "arch": found["Architecture"],
        "cpus": found.get("CPU(s)"),
        "model_name": found.get("Model name", "").strip(),
        "vendor": found.get("Vendor ID"),
        "flags": sorted({flag for line in flags for flag in line.split()}),
    }


def records() -> dict[str, dict[str, Any]]:
    lines = (RECORDINGS / "sbc-bench/devices.jsonl").read_text().splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}
