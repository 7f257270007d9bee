"""How do inner values look in the API's JSON?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from edgetender.checks.finding import Result
from edgetender.clock import parse_rfc3339, rfc3339
from edgetender.errors import (
    AgentError,
    Fault,
    ManifestRefused,
    NotFound,
    Problem,
    Transient,
    WithProblems,
)
from edgetender.model.edition import Edition, named
from edgetender.model.facts_json import plain
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Decision, HistoryEntry
from edgetender.model.trace import MEMBER

API_VERSION = "edgetender/v1"


def envelope(kind: str, **members: Any) -> dict[str, Any]:
    """What every answer begins with; changes to it are additive only."""
    return {"apiVersion": API_VERSION, "kind": kind, **members}


def hardware(found: Hardware) -> dict[str, Any]:
    return envelope("Hardware", facts=[plain(one) for one in found.facts])


def history(entries: Iterable[HistoryEntry], known: Collection[Edition]) -> dict[str, Any]:
    """*known* are those of the whole history, also where *entries* are but the newest."""
    return envelope("History", versions=[_version(entry, known) for entry in entries])


def version(
    entry: HistoryEntry, known: Mapping[Edition, HistoryEntry], events: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """All of one version; of *events* those that are about it, or that its push began."""
    mine = [
        dict(one)
        for one in events
        if _is_about(entry, one, known) or (entry.trace and one.get(MEMBER) == entry.trace)
    ]
    return envelope(
        "Version", **_version(entry, known), kept=bool(entry.body), signed=entry.epoch > 0, events=mine
    )


def _is_about(entry: HistoryEntry, event: Mapping[str, Any], known: Mapping[Edition, HistoryEntry]) -> bool:
    """One that says a number and no epoch is about the newest that had come here by then."""
    if event.get("version") != entry.version:
        return False
    if "epoch" in event:
        return bool(event["epoch"] == entry.epoch)
    same = sorted(
        (one for one in known.values() if one.version == entry.version), key=lambda one: one.edition
    )
    there = [one for one in same if "at" not in event or one.received_at <= parse_rfc3339(event["at"])]
    return entry == (there or same[:1])[-1]


def _version(entry: HistoryEntry, known: Collection[Edition]) -> dict[str, Any]:
    """`name` is what a rollback calls it, `epoch` 0 where it was not signed."""
    return {
        "version": entry.version,
        "epoch": entry.epoch,
        "name": named(entry.edition, known),
        "deployment": entry.deployment,
        "sha256": entry.sha256,
        "source": entry.source,
        "by": entry.by or None,
        "receivedAt": rfc3339(entry.received_at),
        "finishedAt": _moment(entry.finished_at),
        "result": entry.result,
        "changes": entry.changes,
        "traceparent": entry.trace or None,
    }


def config(entries: Iterable[tuple[str, Any, str]]) -> dict[str, Any]:
    return envelope("Config", values=[{"key": k, "value": v, "origin": origin} for k, v, origin in entries])


def checks(found: Iterable[tuple[Result, datetime]]) -> dict[str, Any]:
    """What was found, in the checks' order; *counts* are by severity."""
    results = list(found)
    severities = [result.finding.severity.value for result, _ in results]
    return envelope(
        "Checks",
        checks=[
            {
                "id": result.check.id,
                "title": result.check.title,
                "group": result.check.group,
                "severity": result.finding.severity.value,
                "said": result.finding.said,
                "why": result.check.why,
                "repair": result.finding.repair,
                "fixable": result.check.fix is not None,
                "fixed": result.fixed,
                "doc": f"docs/reference/checks.md#{result.check.id}",
                "at": rfc3339(at),
            }
            for result, at in results
        ],
        counts={name: severities.count(name) for name in ("ok", "warn", "error", "skipped")},
    )


def decision(delivery: int, made: Decision | None) -> dict[str, Any]:
    """*decided* false: ask again."""
    if made is None:
        return envelope("Decision", delivery=delivery, decided=False)
    return envelope(
        "Decision",
        delivery=delivery,
        decided=True,
        code=made.code,
        description=made.description,
        version=made.version,
        epoch=made.epoch,
        problems=problems(Problem(*one) for one in made.problems),
    )


def problems(found: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": one.path, "code": one.code, "message": one.message} for one in found]


def error(code: str, message: str, found: Iterable[Problem] = ()) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "problems": problems(found)}}


def failure(raised: AgentError) -> tuple[int, dict[str, Any]]:
    """The HTTP status and body that tell of *raised*."""
    found = raised.problems if isinstance(raised, WithProblems) else ()
    body = error(raised.code, str(raised), found)
    match raised:
        case NotFound():
            return 404, body
        case ManifestRefused():
            return 409, body
        case Transient():
            return 503, body
        case Fault():
            return 500, body
        case _:
            return 400, body


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
