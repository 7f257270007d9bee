"""How many CPUs and how much memory may this process use? Asks its cpuset and cgroup first."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return min(cpuset, ceil(CPU quota)), at least 1. Reads cgroup v2, then v1."""
    count = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return max(1, count if quota is None else min(count, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """CPUs the quota grants; None where there is none."""
    match _words(cgroup / "cpu.max"):
        case [str() as granted, str() as period] if granted != "max":
            return int(granted) / int(period)
        case _:
            pass
    quota, per = _words(cgroup / "cpu/cpu.cfs_quota_us"), _words(cgroup / "cpu/cpu.cfs_period_us")
    if quota and per and int(quota[0]) > 0:
        return int(quota[0]) / int(per[0])
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def memory(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the bytes of memory this process may use: its cgroup's limit or the machine's; None: not known."""
    limits = [
        int(words[0])
        for name in ("memory.max", "memory/memory.limit_in_bytes")
        if (words := _words(cgroup / name)) and words[0].isdigit()
    ]
    words = _words(meminfo)
    if words[:1] == ["MemTotal:"]:
        limits.append(int(words[1]) * 1024)
    return min(limits, default=None)
