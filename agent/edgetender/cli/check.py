"""`edgetender check`: is this device fit for its work, and what repairs it where it is not?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from edgetender.api.client import Unreachable
from edgetender.cli.completion import check_ids
from edgetender.cli.output import Exit, Session, Style, options, say, table

_MARKS = {  # as one sees it, in ASCII, colour
    "ok": ("√", "[ok]", "green"),
    "warn": ("‼", "[!!]", "yellow"),
    "error": ("\u00d7", "[xx]", "red"),
    "skipped": ("-", "[--]", ""),
}
_WORDS = (("ok", "ok", ""), ("warn", "warning", "s"), ("error", "error", "s"), ("skipped", "skipped", ""))


@click.command()
@options
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=check_ids)
@click.option("--list", "listed", is_flag=True, help="Only name the checks there are.")
@click.option(
    "--skip", multiple=True, metavar="ID", shell_complete=check_ids, help="Leave one out; may be repeated."
)
@click.option("--fix", is_flag=True, help="Repair what is safe to repair: nothing is deleted or restarted.")
@click.option("--local", is_flag=True, help="Look by this process, without asking the agent.")
@click.pass_obj
def check(
    session: Session, ids: tuple[str, ...], listed: bool, skip: tuple[str, ...], fix: bool, local: bool
) -> Exit:
    """Check this device, and say what repairs it. Exits 7 where something failed."""
    if listed:
        return _list(session)
    wish = {"ids": ids, "skip": skip, "fix": fix}
    try:
        document = _looked(wish) if local else session.client().post("/v1/checks", json.dumps(wish).encode())
    except Unreachable as error:
        if session.is_remote:  # this machine would answer for another
            raise
        say(f"{error}\nlooking without it:")
        document = _looked(wish)
    if session.for_people:
        session.print_lines(check_lines(document, session.style(), wide=session.output == "wide"))
    else:
        session.print_document(document)
    return Exit.DEGRADED if document["counts"]["error"] else Exit.OK


def check_lines(document: Any, style: Style, *, wide: bool = False) -> Iterator[str]:
    """The checks document as a person reads it; wide says why each matters."""
    width = max((len(one["id"]) for one in document["checks"]), default=0)
    for group, found in groupby(document["checks"], key=lambda one: one["group"]):
        yield str(group)
        for one in found:
            pretty, plain, color = _MARKS.get(one["severity"], ("?", "[??]", ""))
            mark = style.mark(pretty, plain, color)
            yield f"  {mark} {one['id']:<{width}}  {style.words(one['said'])}".rstrip()
            beside = [("fixed", one["fixed"])]
            if one["severity"] in ("warn", "error") or wide:
                safe = " (safe: --fix does it)" if one["fixable"] and not one["fixed"] else ""
                beside += [("why", one["why"]), ("fix", one["repair"] and one["repair"] + safe)]
            yield from (f"       {name:<5} {style.words(text)}" for name, text in beside if text)
    counts = document["counts"]
    yield ", ".join(
        f"{counts[key]} {word}{more * (counts[key] != 1)}"
        for key, word, more in _WORDS
        if counts[key] or key == "ok"
    )


def _list(session: Session) -> Exit:
    from edgetender.checks import all_checks

    checks = all_checks()
    if session.for_people:
        rows = [[one.id, one.group, one.title] for one in checks]
        session.print_lines(table(rows, ("ID", "GROUP", "WHEN ALL IS WELL")))
    else:
        told = [{"id": c.id, "group": c.group, "title": c.title, "why": c.why} for c in checks]
        session.print_document({"apiVersion": "edgetender/v1", "kind": "CheckList", "checks": told})
    return Exit.OK


def _looked(wish: dict[str, Any], config: Path | None = None) -> Any:
    from edgetender.api.answers import checks as answer
    from edgetender.checks import all_checks
    from edgetender.checks.looking import looking_alone
    from edgetender.checks.running import choose, run_checks

    chosen = choose(all_checks(), wish["ids"], wish["skip"])
    device = looking_alone(config)
    now = device.clock.now()
    return answer((one, now) for one in run_checks(chosen, device, fix=bool(wish["fix"])))
