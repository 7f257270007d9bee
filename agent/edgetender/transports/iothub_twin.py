"""What stands in a twin: the manifest among desired properties, and a report as reported ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import ManifestInvalid, Problem
from edgetender.model.image import ImageReference, parse_reference

TEXT_BYTES = 4 * 1024  # a hub's limit for one text
SECTION_BYTES = 30 * 1024  # of 32 KiB; keys of others may stand there too
_EDGE = frozenset({"schemaVersion", "runtime", "systemModules", "modules"})
_SAID_AT_ONCE = (
    "health", "lastDesiredVersion", "lastDesiredStatus", "deploymentVersion", "accepted", "candidate",
)  # fmt: skip
_PROBLEMS, _TEXT = 8, 500
_CONTINUED = 0x80  # how a byte begins that goes on with a character of UTF-8


@dataclass(frozen=True, slots=True)
class Reference:
    """A manifest that lies elsewhere; only bytes of this digest are it."""

    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest that is an OCI artifact's only file; the *credential* of this name opens the registry."""

    reference: ImageReference
    credential: str = ""


def manifest_in(desired: Mapping[str, Any]) -> bytes | Reference | Artifact | None:
    """The manifest that *desired* holds or names; None if it says nothing of one. Raises ManifestInvalid.

    `deployment` is the manifest itself, or `{"chunks": [text, …], "sha256": …}`, or `{"url": …, "sha256": …}`, or
    `{"oci": "registry/repository@sha256:…"}`, if need be with a `credential`'s name.
    Without it the desired properties of IoT Edge's `$edgeAgent` count, as they are, passwords included.
    """
    wanted = desired.get("deployment")
    if wanted is None:
        found = {key: value for key, value in desired.items() if key == "$version" or key[:1] != "$"}
        return canonical(found) if _EDGE & desired.keys() else None
    if not isinstance(wanted, dict):
        _refuse("deployment", "twin.type", "must be a JSON object")
    digest = wanted.get("sha256")
    if "url" in wanted:
        url = wanted["url"]
        if not isinstance(url, str) or not _is_https(url) or not isinstance(digest, str):
            _refuse(
                "deployment.url", "twin.reference", "must be an https:// address, with the sha256 beside it"
            )
        return Reference(url, digest)
    if "oci" in wanted:
        return _artifact(wanted["oci"], wanted.get("credential", ""))
    if "chunks" not in wanted:
        return canonical(wanted)
    chunks = wanted["chunks"]
    if not isinstance(chunks, list) or not all(isinstance(chunk, str) for chunk in chunks):
        _refuse("deployment.chunks", "twin.type", "must be a list of texts")
    body = "".join(chunks).encode()
    if sha256_hex(body) != digest:
        _refuse("deployment.sha256", "twin.digest", "is not that of the chunks, joined as they stand")
    return body


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False


def _artifact(reference: Any, credential: Any) -> Artifact:
    if not isinstance(credential, str):
        _refuse("deployment.credential", "twin.type", "must be the name of a credential on the device")
    try:
        found = parse_reference(str(reference))
    except ValueError as error:
        _refuse("deployment.oci", "twin.reference", str(error))
    if found.digest is None:
        _refuse(
            "deployment.oci", "twin.reference", "names no digest; write it like registry/repository@sha256:…"
        )
    return Artifact(found, credential)


def _refuse(path: str, code: str, why: str) -> NoReturn:
    raise ManifestInvalid((Problem(path, code, why),))


def in_chunks(body: bytes) -> dict[str, Any]:
    """*body* (UTF-8) as `deployment` holds it where the manifest itself does not fit a twin."""
    chunks, start = [], 0
    while start < len(body):
        end = min(start + TEXT_BYTES, len(body))
        while end < len(body) and body[end] & 0xC0 == _CONTINUED:
            end -= 1
        chunks.append(body[start:end].decode())
        start = end
    return {"chunks": chunks, "sha256": sha256_hex(body)}


def compact(report: Mapping[str, Any]) -> dict[str, Any]:
    """*report* as a twin can hold it: without what is empty, texts cut, logs left out, within SECTION_BYTES."""
    kept: dict[str, Any] = _compacted({key: value for key, value in report.items() if key != "modules"})
    modules = report.get("modules")
    if isinstance(modules, dict):
        kept["modules"] = {_key(name): _module(module) for name, module in modules.items()}
        for less in ("lastExit", "image", "since", "why", "variant"):
            if len(canonical(kept)) <= SECTION_BYTES:
                break
            for module in kept["modules"].values():
                module.pop(less, None)
    return kept


def _module(module: Any) -> Any:
    if not isinstance(module, dict):
        return _compacted(module)
    small = {key: value for key, value in module.items() if value not in ("", None)}
    if isinstance(small.get("lastExit"), dict):
        small["lastExit"] = {key: value for key, value in small["lastExit"].items() if key != "log"}
    return _compacted(small)


def _compacted(value: Any) -> Any:
    match value:
        case dict():
            return {_key(key): _compacted(inner) for key, inner in value.items() if inner is not None}
        case list():
            return [_compacted(inner) for inner in value[:_PROBLEMS]]
        case str() if len(value) > _TEXT:
            return value[: _TEXT - 1] + "…"
        case _:
            return value


def _key(name: str) -> str:
    """A key that a twin takes: module names may hold dots."""
    return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24").replace(" ", "%20")


def difference(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge-patch from *known* to *wanted*; empty when nothing is to be said."""
    patch: dict[str, Any] = dict.fromkeys(known.keys() - wanted.keys())
    for key, value in wanted.items():
        before = known.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = difference(before, value)
            if inner:
                patch[key] = inner
        elif value != before:
            patch[key] = value
    return patch


def is_urgent(patch: Mapping[str, Any]) -> bool:
    """Whether somebody waits for what *patch* says; the rest (a pull's progress, restarts) can be collected."""
    return any(key in patch for key in _SAID_AT_ONCE)
