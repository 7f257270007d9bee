"""`edgetender explain MODULE`: why this variant, why not the others, and what would change that."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from edgetender.cli.completion import module_names
from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, Style, faults_of, options

_MOST_BYTES = 4 * 1024 * 1024
_COLORS = {"chosen": "green", "eligible": "", "demoted": "yellow", "rejected": "red"}
_SAVED = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


@click.command()
@options
@click.argument("module", shell_complete=module_names)
@click.option("-f", "--file", type=FILE, help="Explain this manifest, not the one that is here.")
@click.option("--facts", type=_SAVED, help="Decide from what `facts export` saved; no agent is asked.")
@click.pass_obj
def explain(session: Session, module: str, file: Path | None, facts: Path | None) -> Exit:
    """Show why a module runs as this variant. Exit 7 when none can run."""
    manifest = ManifestFile(file) if file is not None else None
    if facts is not None:
        body = _replayed(module, facts, manifest)
    elif manifest is not None:
        with manifest.faults_located():
            body = session.client().send(f"/v1/explain/{quote(module, safe='')}", manifest.body())
    else:
        body = session.client().get(f"/v1/explain/{quote(module, safe='')}")
    document = json.loads(body)
    if session.for_people:
        wide = session.output == "wide"
        session.print_lines(explain_lines(document, session.style(), wide=wide))
    else:
        session.print_body(body)
    return Exit.OK if document["chosen"] else Exit.DEGRADED


def explain_lines(document: Any, style: Style, *, wide: bool = False) -> Iterator[str]:
    """The explanation as a person reads it; wide shows every predicate of every variant."""
    count = len(document["variants"])
    of = f"{document['deployment']} version {document['version']}"
    yield f"module  {document['module']}  ({of}, facts {document['facts']})"
    if document["chosen"]:
        yield f"chosen  {style.paint(document['chosen'], 'green')}  (#{document['position']} of {count})"
    else:
        yield f"chosen  {style.paint('none', 'red')}  (of {count})"
    width = max(len(one["name"]) for one in document["variants"])
    for one in document["variants"]:
        verdict = one["verdict"].upper()
        head = f"{one['position']:2} {one['name']:{width}}  {style.paint(f'{verdict:8}', _COLORS[one['verdict']])}"
        yield f"{head}  {style.short(one['because'])}".rstrip()
        for check in one["predicates"]:
            if wide or one["verdict"] in ("chosen", "demoted") or check["truth"] != "true":
                yield f"     {_predicate(check, style)}"
        if one.get("measured"):
            yield f"     {style.words(_measured(one['measured']))}"
        if one["history"]:
            yield f"     {_history(one['history'], style)}"
        if one["wouldChange"]:
            yield f"     {style.mark('→', '->')} {style.words(one['wouldChange'])}"
    yield f"next    {style.words(document['next'])}"


def _predicate(check: Any, style: Style) -> str:
    signs = {"true": style.mark("✓", "yes", "green"), "false": style.mark("✗", "no", "red")}
    sign = signs.get(check["truth"], style.mark("?", "?", "yellow"))
    implied = "  implied by image" if check["implied"] else ""
    found = f"{check['observed']}  {check['source']}".rstrip()
    detail = f"  ({check['detail']})" if check["detail"] else ""
    return f"{sign} {style.words(check['name'])} {style.words(check['wanted'])}: {style.words(found + detail)}{implied}"


def _history(history: Any, style: Style) -> str:
    tries = "once" if history["times"] == 1 else f"{history['times']} times"
    return style.words(f"{history['code'] or 'failed'} at {history['at']} ({tries}): {history['reason']}")


def _measured(figure: Any) -> str:
    took = f"p95 {figure['p95Ms']:g} ms" if figure["p95Ms"] is not None else "it says no times"
    return f"measured at {figure['at']}: {took}"


def _replayed(module: str, facts: Path, manifest: ManifestFile | None) -> bytes:
    from edgetender.codec import decode
    from edgetender.decide.replay import replayed

    text: bytes = sys.stdin.buffer.read() if str(facts) == "-" else facts.read_bytes()
    with faults_of(facts):
        document = decode(text, max_bytes=_MOST_BYTES)
    wanted = decode(manifest.body()) if manifest is not None else None
    # spelled as the API spells it: a replay is the device's own word, byte for byte
    return json.dumps(replayed(module, document, wanted), ensure_ascii=False, separators=(",", ":")).encode()
