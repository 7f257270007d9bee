"""Of what is the hardware put together? What a person overrides, the engine's word, the probes, the labels."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from edgetender.clock import Clock
from edgetender.config.settings import Settings
from edgetender.errors import AgentError, ConfigInvalid, Problem
from edgetender.model import front as front_words
from edgetender.model.figures import EngineFacts
from edgetender.model.hardware import Fact, Hardware, merged, native_architecture
from edgetender.ports import Engine
from edgetender.probes import detect
from edgetender.probes.gpu_figures import GpuFigures
from edgetender.probes.host import HostFigures
from edgetender.probes.programs import Children
from edgetender.probes.runtimes import of_engine_facts
from edgetender.probes.signs import signs
from edgetender.probes.tree import Tree

log = logging.getLogger(__name__)

_PREFIX = "EDGETENDER_FACT_"


def device_figures(settings: Settings, hardware: Callable[[], Hardware]) -> Callable[[], dict[str, Any]]:
    """How busy the device is, and its cards; for one thread."""

    def has_card() -> bool:
        return any(one.value("vendor") == "nvidia" for one in hardware().devices)

    host = HostFigures(settings.state_dir)
    cards = GpuFigures(Tree(settings.hardware.root), Children(), has_card)
    return lambda: host() | cards()


class Eyes:
    """Implements `detector.Looking` on this machine. One thread at a time."""

    def __init__(
        self, settings: Settings, engine: Engine, clock: Clock, more: Callable[[], tuple[Fact, ...]]
    ) -> None:
        self._settings, self._engine, self._clock, self._more = settings, engine, clock, more
        self._root = settings.hardware.root
        self._programs = Children()
        self._said: tuple[Fact, ...] = ()  # by the engine, when it last answered

    def look(self) -> Hardware:
        found = detect(self._root, programs=self._programs, now=self._clock.now())
        return merged(self._overridden(), self._of_engine(), found.facts, self._labels(), self._more())

    def signs(self) -> object:
        return signs(Tree(self._root)), _written(self._settings.hardware.override)

    def _of_engine(self) -> tuple[Fact, ...]:
        try:
            facts = self._engine.facts()
        except AgentError as error:  # it is looked at again when it comes back
            log.warning("the engine says nothing of itself", extra={"fields": {"why": str(error)}})
        else:
            self._said = (*of_engine_facts(facts), *_disk(facts, self._settings.engine.socket))
        return self._said

    def _labels(self) -> tuple[Fact, ...]:
        return tuple(
            Fact(f"label.{name}", value, "configuration") for name, value in self._settings.labels.items()
        )

    def _overridden(self) -> tuple[Fact, ...]:
        path = self._settings.hardware.override
        found = list(from_environment(os.environ))
        try:
            found += from_file(path) if path is not None else []
        except ConfigInvalid as error:  # it was sound at the start: what was written since is not
            log.error("overridden facts are left out", extra={"fields": {"why": str(error)}})  # noqa: TRY400
        return tuple(found)


def from_environment(environment: Mapping[str, str]) -> Iterator[Fact]:
    """`EDGETENDER_FACT_CUDA=12.4` says what `cuda` is."""
    for name, value in sorted(environment.items()):
        if name.startswith(_PREFIX):
            yield Fact(name.removeprefix(_PREFIX).lower(), value, f"${name}", "overridden")


def from_file(path: Path) -> list[Fact]:
    """A JSON object of facts by name; an object in it is a device by its key. Raises ConfigInvalid."""
    try:
        document = json.loads(path.read_text())
        return list(_of(document, str(path), ""))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigInvalid((Problem(str(path), "hardware.override", f"no facts: {error}"),)) from error


def _of(document: Mapping[str, Any], source: str, device: str) -> Iterator[Fact]:
    for name, value in document.items():
        if isinstance(value, dict) and not device:
            yield from _of(value, source, name)
            continue
        if isinstance(value, list):
            value = tuple(str(each) for each in value)  # noqa: PLW2901  # as facts hold lists
        if not isinstance(value, str | int | float | bool | tuple | None):
            raise ValueError(f"{name} has no plain value")
        yield Fact(name, value, source, "overridden", device)


def _disk(facts: EngineFacts, socket: str) -> tuple[Fact, ...]:
    if not socket.startswith("unix://"):
        return ()
    try:
        total = shutil.disk_usage(facts.data_root).total
    except OSError:
        return ()
    return (Fact("disk_bytes", total, facts.data_root),)


def _written(path: Path | None) -> int | None:
    try:
        return path.stat().st_mtime_ns if path is not None else None
    except OSError:
        return None


def architecture(hardware: Hardware) -> str:
    return str(hardware.value("arch") or native_architecture())


def level(hardware: Hardware) -> str:
    """The processor's level, as images of an index name it; empty where it is not known."""
    names = {"amd64": "x86_level", "arm64": "arm64_level", "arm": "oci_variant"}
    return str(hardware.value(names.get(architecture(hardware), "")) or "")


def front_fact(settings: Settings) -> Fact:
    """Whether requests can be switched between containers here: not a property of hardware, but of the device."""
    archive, source = settings.front.archive, "configuration"
    if archive is None:
        return Fact(front_words.FACT, False, source, "front.archive is not set")
    if not settings.engine.socket.startswith("unix://"):
        return Fact(front_words.FACT, False, source, "the engine is not on this machine")
    if not archive.exists():
        return Fact(front_words.FACT, False, source, f"{archive} is not there")
    return Fact(front_words.FACT, True, source)
