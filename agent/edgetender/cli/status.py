"""`edgetender status`: what should run here, what does, and why they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from edgetender.cli.output import Exit, Session, Style, options, table
from edgetender.cli.words import ago, ending, fetched, share, size, span, waiting_words
from edgetender.model.topics import DesiredCode

_HEADS = ("NAME", "STATE", "VARIANT", "VERSION", "READY", "RESTARTS", "CPU", "MEM", "SINCE", "")
_WIDE = ("IMAGE", "PORTS")
_MARKS = {  # as one sees it, in ASCII, colour
    "running": ("●", "[ok]", "green"),
    "starting": ("◐", "[..]", "cyan"),
    "pulling": ("◐", "[..]", "cyan"),
    "waiting": ("◌", "[..]", "yellow"),
    "unhealthy": ("▲", "[!!]", "red"),
    "backoff": ("↻", "[!!]", "yellow"),
    "stopped": ("○", "[--]", ""),
    "blocked": ("✗", "[xx]", "red"),
}
_HEALTH_COLORS = {"healthy": "green", "waiting": "yellow"}
_QUICK_S = 0.01  # below it, tenths of a millisecond count


@click.command()
@options
@click.option("--exit-code", is_flag=True, help="Exit 7 unless the device is healthy.")
@click.pass_obj
def status(session: Session, exit_code: bool) -> Exit:
    """Show what runs on this device and why."""
    body = session.client().get("/v1/status")
    if session.for_people:
        now, style, wide = session.now(), session.style(), session.output == "wide"
        session.print_lines(status_lines(json.loads(body), now, style, wide=wide))
    else:
        session.print_body(body)
    if exit_code and json.loads(body)["health"] != "healthy":
        return Exit.DEGRADED
    return Exit.OK


def status_lines(document: Any, now: datetime, style: Style, *, wide: bool = False) -> Iterator[str]:
    """The status document as a person reads it."""
    yield _head(document, style)
    yield _deployment(document, style)
    if document["modules"]:
        candidate = document["candidate"]
        rows = [_row(module, candidate, now, style, wide=wide) for module in document["modules"]]
        yield ""
        yield from table(rows, (*_HEADS[:-1], *_WIDE, "") if wide else _HEADS)
    for line in _remarks(document, now):
        yield style.paint("!", "yellow") + " " + style.words(line)


def _head(document: Any, style: Style) -> str:
    health = document["health"]
    return (
        f"{document['device']}   {style.paint(health.upper(), _HEALTH_COLORS.get(health, 'red'))}   "
        + style.words(
            f"agent {document['agent']}  up {span(document['uptimeSeconds'])}  ·  "
            f"upstream {_upstream(document['upstream'])}"
        )
    )


def _upstream(link: Any) -> str:
    if link["endpoint"] == "none":
        return "none"
    line = "online" if link["connected"] else "offline"
    why = f": {link['detail']}" if link["detail"] and not link["connected"] else ""
    lost = f", {link['dropped']} dropped" if link["dropped"] else ""
    trip = link.get("roundTripSeconds")  # an older agent does not say it
    rtt = f"rtt {trip * 1000:.{trip < _QUICK_S:d}f} ms, " if trip is not None and link["connected"] else ""
    return f"{link['endpoint']} {line}{why} ({rtt}{link['queued']} queued{lost})"


def _deployment(document: Any, style: Style) -> str:
    if document["deployment"] is None and document["version"] is None:
        return "no deployment yet: push or apply a manifest"
    version, candidate = document["version"], document["candidate"]
    words = [f"deployment {document['deployment']}"] if document["deployment"] else []
    words += [f"version {version}"] if version is not None else []
    line = " ".join(words) or "no version accepted yet"
    return style.words(line + (f" → {candidate}, not accepted yet" if candidate is not None else ""))


def _row(module: Any, candidate: int | None, now: datetime, style: Style, *, wide: bool) -> tuple[str, ...]:
    pretty, plain, color = _MARKS.get(module["state"], ("?", "[??]", ""))
    row = (
        module["name"],
        f"{style.mark(pretty, plain, color)} {module['state']}",
        module["variant"] or "-",
        style.words(_version(module, candidate)),
        "yes" if module["ready"] else "no",
        str(module["restarts"]),
        share(module["cpu"]),
        size(module["memoryBytes"]),
        ago(module["since"], now),
    )
    more = (module["image"] or "-", " ".join(module["ports"]) or "-") if wide else ()
    return (*row, *more, style.words(_beside(module)))


def _version(module: Any, candidate: int | None) -> str:
    """`8 → 9` while 9's image is on its way."""
    version = "-" if module["version"] is None else str(module["version"])
    coming = module["pull"] is not None and candidate not in (None, module["version"])
    return f"{version} → {candidate}".removeprefix("- ") if coming else version


def _beside(module: Any) -> str:
    pull = module["pull"]
    return str(module["why"]).partition("\n")[0] if pull is None else fetched(pull)


def _remarks(document: Any, now: datetime) -> Iterator[str]:
    if document["engine"]["down"]:
        yield f"engine: {document['engine']['down']}"
    last, version = document["lastDesiredStatus"], document["lastDesiredVersion"]
    if last and last["code"] not in (DesiredCode.RUNNING, DesiredCode.APPLYING):
        which = f"version {version}" if version else "a manifest"
        happened = "" if last["code"] == DesiredCode.ROLLED_BACK else " was not taken"
        said = "" if last["problems"] else f" {last['description']}"
        yield f"{which}{happened} ({last['code']}):{said}"
        if last["description"].startswith("rolled back: "):  # by the agent: the last words say more
            yield f"  what became of it: edgetender history {version} --events"
        for problem in last["problems"]:
            yield (
                f"  {problem['path']}: {problem['message']}" if problem["path"] else f"  {problem['message']}"
            )
    for hold in document["holds"]:
        until = f" until {hold['until']}" if hold["until"] else ""
        why = f": {hold['reason']}" if hold["reason"] else ""
        module = f" {hold['module']}" if hold["module"] else ""
        ends = "" if "edgetender release" in why else f"; edgetender release{module} ends it"
        yield f"{hold['module'] or 'the device'} is held by {hold['by']}{until}{why}{ends}"
    if waits := document["waits"]:
        helps = "" if document["holds"] else ending(waits)
        yield f"version {document['candidate']} waits: {waiting_words(waits)}{helps}"
    for module in document["modules"]:
        ended = module["lastExit"]
        if ended and module["state"] != "running" and module["code"] != "engine.down":
            yield f"{module['name']} ended {ago(ended['at'], now)}: {ended['reason']}"
            yield from (f"  | {line}" for line in ended["log"][-5:])
    yield from document["notes"]
