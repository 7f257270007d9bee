"""What do the engine's JSON answers say in our words? Pure; field names are those of Engine API v1.41."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from edgetender.engine import labels
from edgetender.model.figures import ContainerFigures
from edgetender.model.host_port import HostPort
from edgetender.model.image import parse_reference
from edgetender.model.observed import Container, Health, Readiness, Status

_READINESS = {"healthy": Readiness.READY, "unhealthy": Readiness.FAILING}


def container(inspected: Mapping[str, Any]) -> Container:
    """Return what an inspect answer of a container of ours says."""
    config, state = inspected["Config"], inspected["State"]
    marks: Mapping[str, str] = config.get("Labels") or {}
    status = Status(state["Status"])
    # a start that failed leaves the container `created`, with the code and the words of the failure
    ended = status in (Status.EXITED, Status.DEAD) or bool(state.get("Error"))
    version = marks.get(labels.VERSION, "")
    return Container(
        id=inspected["Id"],
        name=inspected["Name"].removeprefix("/"),
        module=marks.get(labels.MODULE, ""),
        spec=marks.get(labels.SPEC, ""),
        streams=labels.streams_of(marks),
        version=int(version) if version.isascii() and version.isdigit() else 0,
        image=marks.get(labels.IMAGE) or config["Image"],
        status=status,
        variant=marks.get(labels.VARIANT, ""),
        exit_code=state.get("ExitCode") if ended else None,
        oom_killed=bool(state.get("OOMKilled")),
        started_at=moment(state.get("StartedAt")),
        finished_at=moment(state.get("FinishedAt")),
        address=_address(inspected) if status is Status.RUNNING else None,
        host_ports=tuple(_host_ports((inspected.get("HostConfig") or {}).get("PortBindings") or {})),
        health=_health(state.get("Health")),
    )


def moment(text: str | None) -> datetime | None:
    """A time of the engine's; None for Go's zero time, which means never."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)


def _host_ports(bindings: Mapping[str, Any]) -> Iterator[HostPort]:
    """What it was made to publish, whether it runs now or not."""
    for inside, outside in bindings.items():
        for one in outside or ():
            if (port := one.get("HostPort") or "").isdigit():
                yield HostPort(int(port), inside.partition("/")[2] or "tcp", one.get("HostIp") or "")


def _address(inspected: Mapping[str, Any]) -> str | None:
    networks = (inspected.get("NetworkSettings") or {}).get("Networks") or {}
    return next((net["IPAddress"] for net in networks.values() if net and net.get("IPAddress")), None)


def _health(health: Mapping[str, Any] | None) -> Health:
    """The engine keeps the last five probes and not when the verdict turned: *since* stays None."""
    if not health:
        return Health()
    last = (health.get("Log") or [{}])[-1]
    readiness = _READINESS.get(health.get("Status", ""), Readiness.UNKNOWN)
    detail = "" if readiness is Readiness.READY else " ".join((last.get("Output") or "").split())[:200]
    return Health(readiness, detail=detail)


def image_names(listed: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Ids, digests and tags of an image list; Docker's short names (`busybox:1`) also in full."""
    names: set[str] = set()
    for image in listed:
        names.add(image["Id"])
        for name in (*(image.get("RepoDigests") or ()), *(image.get("RepoTags") or ())):
            if "<none>" in name:
                continue
            names.add(name)
            with contextlib.suppress(ValueError):  # named by another tool, in a way no manifest can
                names.add(str(parse_reference(name)))
    return frozenset(names)


def figures(module: str, stats: Mapping[str, Any], host_memory_bytes: int) -> ContainerFigures | None:
    """What a stats answer says; None when the container ended before it could be measured.

    Memory is usage without the page cache that can go at once, as `docker stats` shows it: `inactive_file`
    in cgroup v2, `total_inactive_file` in v1. Without a limit the engine says the host's memory.
    """
    memory = stats.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    detail = memory.get("stats") or {}
    cache = detail.get("inactive_file", 0)
    cache = detail.get("total_inactive_file", cache)
    limit = memory.get("limit") or 0
    networks = (stats.get("networks") or {}).values()
    return ContainerFigures(
        module=module,
        cpu_seconds=stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        memory_bytes=max(0, memory["usage"] - cache),
        memory_limit_bytes=limit if 0 < limit < host_memory_bytes else None,
        received_bytes=sum(network["rx_bytes"] for network in networks),
        sent_bytes=sum(network["tx_bytes"] for network in networks),
    )
