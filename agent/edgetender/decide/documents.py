"""The two documents that leave the device: `status` for the shell and the page, `reported` for the cloud. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from edgetender.clock import rfc3339
from edgetender.decide.reporting import ModuleReport, health_word
from edgetender.model.figures import ContainerFigures, Served
from edgetender.model.gate import OPEN, Gate
from edgetender.model.ledger import Death, Ledger
from edgetender.model.manifest import SCHEMA
from edgetender.model.observed import Observed
from edgetender.model.signed import Root
from edgetender.model.target import Target
from edgetender.model.upstream import Link, OutboxFigures


def status_document(
    *,
    device: str,
    agent: str,
    uptime_s: float,
    link: Link,
    outbox: OutboxFigures,
    target: Target,
    observed: Observed,
    ledger: Ledger,
    reports: tuple[ModuleReport, ...],
    figures: dict[str, tuple[float, int]],
    notes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """What `GET /v1/status` answers. *figures* are, by module, CPU as a ratio of one core and memory bytes."""
    return {
        "apiVersion": SCHEMA,
        "kind": "Status",
        "device": device,
        "agent": agent,
        "uptimeSeconds": round(uptime_s),
        "health": health_word(reports, observed, ledger),
        "upstream": {
            "endpoint": link.endpoint,
            "connected": link.connected,
            "since": _time(link.since),
            "detail": link.detail,
            "roundTripSeconds": None if link.round_trip_s is None else round(link.round_trip_s, 4),
            "queued": outbox.queued,
            "dropped": outbox.dropped,
        },
        "deployment": target.deployment or None,
        "version": ledger.accepted.version if ledger.accepted else None,
        "epoch": ledger.accepted.epoch if ledger.accepted else None,
        "candidate": ledger.candidate.version if ledger.candidate else None,
        "candidateEpoch": ledger.candidate.epoch if ledger.candidate else None,
        **desired_fields(ledger),
        **gate_fields(ledger, target.gate),
        "modules": [_module(report, figures.get(report.name)) for report in reports],
        "engine": {"down": observed.engine_down},
        "notes": list(notes),
    }


def reported_document(
    *,
    device: str,
    agent: str,
    ledger: Ledger,
    observed: Observed,
    reports: tuple[ModuleReport, ...],
    hardware: Mapping[str, Any] | None = None,
    verdicts: Mapping[str, Mapping[str, str]] | None = None,
    gate: Gate = OPEN,
    root: Root | None = None,
) -> dict[str, Any]:
    """What is retained upstream: it changes when something changed, so it carries no time of its own.

    *hardware* are compact facts, *verdicts* the code of each variant by module (`compact.py` makes both); *root*
    is the trust root that counts.
    """
    codes = verdicts or {}
    return {
        "schema": SCHEMA,
        "device": device,
        "agent": agent,
        **desired_fields(ledger),
        "health": health_word(reports, observed, ledger),
        "accepted": _slot(ledger.accepted.version, ledger.accepted.sha256) if ledger.accepted else None,
        "candidate": _slot(ledger.candidate.version, ledger.candidate.sha256) if ledger.candidate else None,
        "engine": {"down": observed.engine_down},
        **gate_fields(ledger, gate),
        "trustRoot": {"version": root.version, "epoch": root.epoch} if root is not None else None,
        "hardware": dict(hardware or {}),
        "modules": {
            report.name: _reported_module(report) | {"variants": dict(codes.get(report.name, {}))}
            for report in reports
        },
    }


def module_sample(
    figures: Sequence[ContainerFigures],
    rates: Mapping[str, tuple[float, int]],
    restarts: Mapping[str, int],
    served: Mapping[str, Served],
) -> dict[str, Any]:
    """What `telemetry/modules` says: by module, CPU as a ratio of one core, bytes, restarts so far.

    And what its front counted, where it has one that can: requests, those that failed, the answers' times.
    """
    return {
        "modules": {
            one.module: {
                "cpuRatio": rates.get(one.module, (0.0, 0))[0],
                "cpuSeconds": round(one.cpu_seconds, 3),
                "memoryBytes": one.memory_bytes,
                "memoryLimitBytes": one.memory_limit_bytes,
                "receivedBytes": one.received_bytes,
                "sentBytes": one.sent_bytes,
                "restarts": restarts.get(one.module, 0),
                **_traffic(served.get(one.module)),
            }
            for one in figures
        }
    }


def _traffic(served: Served | None) -> dict[str, Any]:
    if served is None:
        return {}
    told: dict[str, Any] = {
        "requests": served.requests,
        "errors": served.errors,
        "requestsPerSecond": served.requests_per_s,
        "errorsPerSecond": served.errors_per_s,
    }
    times = {"meanMilliseconds": served.mean_ms, "p95Milliseconds": served.p95_ms}
    return told | {name: ms for name, ms in times.items() if ms is not None}


def desired_fields(ledger: Ledger) -> dict[str, Any]:
    """`lastDesiredVersion` and `lastDesiredStatus`, as IoT Edge names them."""
    desired = ledger.desired
    if desired is None:
        return {"lastDesiredVersion": None, "lastDesiredStatus": None}
    problems = [{"path": path, "code": code, "message": message} for path, code, message in desired.problems]
    return {
        "lastDesiredVersion": desired.version,
        "lastDesiredStatus": {"code": desired.code, "description": desired.description, "problems": problems},
    }


def gate_fields(ledger: Ledger, gate: Gate) -> dict[str, Any]:
    """`holds`, and `waits`: what the candidate waits for, with its images (download) and its containers (apply)."""
    shut = {"download": gate.download, "apply": gate.apply}
    return {
        "holds": [
            {"module": name or None, "by": hold.by, "reason": hold.reason, "until": _time(hold.until)}
            for name, hold in sorted(ledger.holds.items())
        ],
        "waits": {
            name: {"code": one.code, "why": one.why, "until": _time(one.until)}
            for name, one in shut.items()
            if one is not None
        },
    }


def _slot(version: int, sha256: str) -> dict[str, Any]:
    return {"version": version, "sha256": sha256}


def _module(report: ModuleReport, figures: tuple[float, int] | None) -> dict[str, Any]:
    pull = report.pull
    return {
        "name": report.name,
        "state": report.state.value,
        "variant": report.variant,
        "version": report.version,
        "image": report.image,
        "ready": report.ready,
        "restarts": report.restarts,
        "since": _time(report.since),
        "cpu": figures[0] if figures else None,
        "memoryBytes": figures[1] if figures else None,
        "why": report.why,
        "code": report.code,
        "pull": {
            "doneBytes": pull.done_bytes,
            "totalBytes": pull.total_bytes,
            "bytesPerSecond": round(pull.bytes_per_s),
        }
        if pull
        else None,
        "ports": list(report.ports),
        "lastExit": _death(report.death),
    }


def _reported_module(report: ModuleReport) -> dict[str, Any]:
    pull = report.pull
    # in tenths: the document is sent when it changes, and a pull changes all the time
    tenths = pull.done_bytes * 10 // pull.total_bytes if pull and pull.total_bytes else None
    return {
        "state": report.state.value,
        "variant": report.variant,
        "version": report.version,
        "image": report.image,
        "ready": report.ready,
        "restarts": report.restarts,
        "since": _time(report.since),
        "why": report.why,
        "code": report.code,
        "pullPercent": tenths * 10 if tenths is not None else None,
        "lastExit": _death(report.death),
    }


def _death(death: Death | None) -> dict[str, Any] | None:
    if death is None:
        return None
    said = {"at": rfc3339(death.at), "code": death.exit_code, "reason": death.reason}
    return said | {"log": list(death.log)}


def _time(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None
