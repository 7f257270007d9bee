"""How does Prometheus read the whole fleet? One target instead of a thousand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from edgetender.fleet.devices import Seen

Samples = Iterable[tuple[Mapping[str, str], float]]


def exposition(devices: Mapping[str, Seen], *, connected: bool) -> bytes:
    """Prometheus's text format, 0.0.4; *connected*: whether the broker is heard."""
    lines = [line for family in _families(devices, connected=connected) for line in family]
    return ("\n".join(lines) + "\n").encode()


def _families(devices: Mapping[str, Seen], *, connected: bool) -> Iterator[list[str]]:
    yield _gauge("broker_connected", "Whether the exporter hears the broker.", [({}, connected)])
    online = [({"device": n}, s.status.get("state") == "online") for n, s in devices.items()]
    yield _gauge("device_online", "Whether the broker calls the device online.", online)
    heard = [({"device": n}, s.heard_at.timestamp()) for n, s in devices.items() if s.heard_at]
    yield _gauge("heard_timestamp_seconds", "When the device was heard last.", heard)
    health = [
        ({"device": n, "health": str(s.reported["health"])}, 1)
        for n, s in devices.items()
        if "health" in s.reported
    ]
    yield _gauge("device_health", "1 for the word that describes the device.", health)
    agents = [
        ({"device": n, "agent": str(s.reported["agent"])}, 1)
        for n, s in devices.items()
        if "agent" in s.reported
    ]
    yield _gauge("agent_info", "Which agent runs there.", agents)
    for name, says, pick in _NUMBERS:
        values = [
            ({"device": n}, value) for n, s in devices.items() if (value := _number(s, pick)) is not None
        ]
        yield _gauge(name, says, values)
    yield from _of_modules(devices)


_NUMBERS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], Any]], ...] = (
    ("desired_version", "The version sent last.", lambda r: r["lastDesiredVersion"]),
    ("desired_status", "What became of it: 200, 406, 4xx.", lambda r: r["lastDesiredStatus"]["code"]),
    ("accepted_version", "The version that is accepted.", lambda r: r["accepted"]["version"]),
)


def _number(seen: Seen, pick: Callable[[Mapping[str, Any]], Any]) -> float | None:
    try:
        value = pick(seen.reported)
    except (KeyError, TypeError):
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of_modules(devices: Mapping[str, Seen]) -> Iterator[list[str]]:
    modules = [
        ({"device": name, "module": str(module)}, said)
        for name, seen in devices.items()
        if isinstance(found := seen.reported.get("modules"), dict)
        for module, said in found.items()
        if isinstance(said, dict)
    ]
    states = [(labels | {"state": str(said.get("state"))}, 1.0) for labels, said in modules]
    yield _gauge("module_state", "1 for the state the module is in.", states)
    ready = [(labels, float(said.get("ready") is True)) for labels, said in modules]
    yield _gauge("module_ready", "Whether the module answers its readiness check.", ready)


def _gauge(name: str, says: str, samples: Samples) -> list[str]:
    full = f"edgetender_fleet_{name}"
    return [
        f"# HELP {full} {says}",
        f"# TYPE {full} gauge",
        *(f"{full}{_labels(labels)} {float(value)!r}" for labels, value in samples),
    ]


def _labels(labels: Mapping[str, str]) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
