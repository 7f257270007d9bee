"""Which hardware can be looked for? Each probe is one file with a function `probe(root, programs)`, named here.

Adding one is one file and one line. A probe never raises: what it cannot know is a Fact without a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib import import_module
from pathlib import Path

from edgetender.model.hardware import Fact, Hardware, merged
from edgetender.probes.programs import Children, Programs, no_programs

# of facts that two probes know, the first one's counts
PROBES = ("runtimes", "cpu", "memory", "machine", "nvidia", "jetson", "intel", "amd", "npu", "bus")


def detect(
    root: Path = Path("/"), *, programs: Programs | None = None, now: datetime | None = None
) -> Hardware:
    """Ask every probe below *root* (which tests and recordings replace).

    Costs milliseconds, and up to five seconds where an NVIDIA library or program hangs. Programs are run on the
    live machine only, unless *programs* says how; *now* is noted with each fact.
    """
    asked = programs or (Children() if root == Path("/") else no_programs)
    found = merged(*(probed(name, root, asked) for name in PROBES))
    if now is None:
        return found
    return Hardware(tuple(replace(fact, observed_at=now) for fact in found.facts))


def probed(name: str, root: Path, programs: Programs) -> Iterator[Fact]:
    yield from import_module(f"edgetender.probes.{name}").probe(root, programs)
