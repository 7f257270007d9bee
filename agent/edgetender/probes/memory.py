"""How much of the memory may be used now? From the kernel and its control groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from edgetender.model.hardware import Fact
from edgetender.probes.programs import Programs, no_programs
from edgetender.probes.tree import Tree

_MEMINFO = "proc/meminfo"
_LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
_NO_LIMIT = 2**60  # what cgroup v1 writes for none


def probe(root: Path, programs: Programs = no_programs) -> Iterator[Fact]:  # noqa: ARG001  # one shape for all
    tree = Tree(root)
    source = tree.shown(_MEMINFO)
    free = _kilobytes(tree, "MemAvailable")
    why = "" if free is not None else "cannot be read"
    yield Fact("memory_available_bytes", free, source, why, code="not_readable" if why else "")
    for path in _LIMITS:
        text = tree.line(path)
        if text.isdigit() and int(text) < _NO_LIMIT:
            yield Fact("memory_limit_bytes", int(text), tree.shown(path))
            return


def total_bytes(tree: Tree) -> int | None:
    return _kilobytes(tree, "MemTotal")


def _kilobytes(tree: Tree, key: str) -> int | None:
    match = re.search(rf"^{key}:\s+(\d+) kB", tree.text(_MEMINFO) or "", re.MULTILINE)
    return int(match[1]) * 1024 if match else None
