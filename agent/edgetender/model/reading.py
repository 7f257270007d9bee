"""A decoded document to a Manifest, or to every reason why not: pydantic's faults and those between modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from edgetender.codec import decode
from edgetender.errors import ManifestInvalid, Problem
from edgetender.model.manifest import SCHEMA, Manifest, Port
from edgetender.model.ordering import dependency_faults

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # what people write, nothing is bound here
_ANY, _ALL = "any address", "all addresses"


def read_manifest(body: bytes) -> Manifest:
    """Return the manifest in the JSON *body*. Raises ManifestInvalid with all faults, each with its path."""
    return manifest_of(decode(body))


def manifest_of(document: Any) -> Manifest:
    """Return the manifest that *document* (decoded JSON or YAML) describes. Raises ManifestInvalid."""
    if not isinstance(document, dict):
        raise ManifestInvalid((Problem("", "type.object", "a manifest is a JSON object"),))
    if document.get("schema") != SCHEMA:
        found = document.get("schema")
        what = f"cannot read schema {found!r}" if "schema" in document else "missing"
        raise ManifestInvalid((Problem("schema", "schema.unknown", f"{what}; this agent reads {SCHEMA!r}"),))
    problems: list[Problem] = []
    manifest = None
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError as error:
        problems += problems_of(error)
    problems += _port_conflicts(document)
    problems += _tls_faults(document)
    problems += dependency_faults(document)
    if not document.get("modules", True) and document.get("allow_empty") is not True:
        problems.append(
            Problem("modules", "modules.empty", "would remove everything; say allow_empty: true to mean it")
        )
    if problems or manifest is None:
        raise ManifestInvalid(tuple(sorted(problems, key=lambda problem: problem.path)))
    return manifest


def problems_of(error: ValidationError) -> Iterator[Problem]:
    """Pydantic's list in our words: `modules.scorer.ports[0].host`."""
    for item in error.errors(include_url=False, include_input=False):
        kind = item["type"]
        message = item["msg"].removeprefix("Value error, ")
        if kind == "extra_forbidden":
            kind, message = "key.unknown", f"unknown key {item['loc'][-1]!r}"
        elif kind == "missing":
            kind, message = "key.missing", f"{item['loc'][-1]!r} is missing"
        yield Problem(path_of(item["loc"]), kind, message)


def path_of(location: tuple[int | str, ...]) -> str:
    """`('modules', 'a', 'ports', 0)` as `modules.a.ports[0]`."""
    text = ""
    for part in location:
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _port_conflicts(document: dict[str, Any]) -> Iterator[Problem]:
    """Host ports asked for twice, also where other faults keep the manifest from being built."""
    seen: dict[tuple[int, str], dict[str, str]] = {}  # what took a port, by address, _ANY and _ALL
    for path, _, port in _ports(document):
        taken = seen.setdefault((port.host, port.protocol), {})
        everywhere = port.address in _EVERYWHERE
        first = taken.get(_ANY if everywhere else port.address) or taken.get(_ALL)
        if first is not None:
            message = f"host port {port.host}/{port.protocol} is taken by {first} already"
            yield Problem(f"{path}.host", "port.conflict", message)
        for key in (port.address, _ANY, *([_ALL] if everywhere else [])):
            taken.setdefault(key, path)


def _tls_faults(document: dict[str, Any]) -> Iterator[Problem]:
    """Ports that shall speak TLS where nothing could: a wish that is not met is a fault, never a plain port."""
    update = document.get("update")
    recreate = isinstance(update, dict) and update.get("strategy") == "recreate"
    for path, module, port in _ports(document):
        if port.tls is None:
            continue
        front = module.get("front", "auto")
        if port.protocol != "tcp":
            yield Problem(f"{path}.tls", "port.tls", f"TLS is spoken over TCP, not over {port.protocol}")
        if front not in ("auto", "proxy"):
            yield Problem(f"{path}.tls", "port.tls", f"front {front} speaks no TLS; write front: proxy")
        if recreate:
            said = "update.strategy recreate has no front, which is what speaks TLS; write switch"
            yield Problem(f"{path}.tls", "port.tls", said)


def _ports(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Port]]:
    """Every port that can be read: its path, its module as written, and itself."""
    modules = document.get("modules")
    for name, module in modules.items() if isinstance(modules, dict) else ():
        ports = module.get("ports") if isinstance(module, dict) else None
        for index, raw in enumerate(ports if isinstance(ports, list) else ()):
            try:
                port = Port.model_validate(raw)
            except ValidationError:
                continue  # said already, with its own path
            yield f"modules.{name}.ports[{index}]", module, port
