"""Which trace is a request part of (W3C `traceparent`), and to whom do our own spans go?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from edgetender_scoring.message import sendable

_OURS = 55  # what a header of version 00 has; later ones may have more behind it
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_OTLP = "OTEL_EXPORTER_OTLP_"
NAMES = frozenset(
    _OTLP + part + name for part in ("", "TRACES_") for name in ("ENDPOINT", "HEADERS", "CERTIFICATE", "PROTOCOL")
) | {
    "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED",
}  # fmt: skip
_SAMPLERS = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}


class Context(NamedTuple):
    """Whose part of which trace asks, as hex; *sampled*: it is recorded."""

    trace: str
    span: str
    sampled: bool


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where spans go, and of which requests: of the part *ratio* of all; *follows*: else as the caller decided."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    ca: Path | None = None
    resource: tuple[tuple[str, str], ...] = ()
    ratio: float = 1.0
    follows: bool = True


def context(traceparent: str) -> Context | None:
    """Return what the header says; None where that is nothing."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (traceparent.startswith("00") and len(traceparent) != _OURS):
        return None
    return Context(found[1], found[2], bool(int(found[3], 16) & 1))


def tracing(said: Mapping[str, str], service: str, faults: list[str]) -> Tracing | None:
    """What OpenTelemetry's own variables say of spans; None: there are none."""
    off = said.get("OTEL_SDK_DISABLED", "").lower() == "true" or said.get("OTEL_TRACES_EXPORTER") == "none"
    url = _of_traces(said, "ENDPOINT") or ""
    if off or not url:
        return None
    name = f"{_OTLP}TRACES_ENDPOINT"
    if name not in said:  # the collector for all signals: each has its path there
        name, url = f"{_OTLP}ENDPOINT", f"{url.rstrip('/')}/v1/traces"
    if not _is_address(url):
        faults.append(f"{name}: {url!r} is no URL like http://collector.example:4318")
    if _of_traces(said, "PROTOCOL") == "grpc":
        faults.append(f"{_OTLP}PROTOCOL: grpc is not spoken; name the collector's HTTP port, mostly 4318")
    certificate = _of_traces(said, "CERTIFICATE")
    if certificate and not Path(certificate).is_file():
        faults.append(f"{_OTLP}CERTIFICATE: {certificate} is no file")
    known = dict(_pairs(said.get("OTEL_RESOURCE_ATTRIBUTES", ""), "OTEL_RESOURCE_ATTRIBUTES", faults))
    known["service.name"] = said.get("OTEL_SERVICE_NAME") or known.get("service.name") or service
    ratio, follows = _sampled(said, faults)
    headers = _pairs(_of_traces(said, "HEADERS") or "", f"{_OTLP}HEADERS", faults)
    unsendable = [key for key, value in headers if key and not sendable(key, value)]
    faults += [f"{_OTLP}HEADERS: the value of {key} cannot be sent as a header" for key in unsendable]
    return Tracing(
        url,
        headers,
        Path(certificate) if certificate else None,
        tuple(known.items()),
        ratio,
        follows,
    )


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none, or of half a bracket
        return False


def _of_traces(said: Mapping[str, str], name: str) -> str | None:
    """What is said for traces, before what is said for all signals."""
    return said.get(f"{_OTLP}TRACES_{name}") or said.get(f"{_OTLP}{name}")


def _sampled(said: Mapping[str, str], faults: list[str]) -> tuple[float, bool]:
    name = said.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    kind = name.removeprefix("parentbased_")
    if kind not in _SAMPLERS:
        known = ", ".join(f"[parentbased_]{one}" for one in _SAMPLERS)
        faults.append(f"OTEL_TRACES_SAMPLER: {name!r} is none of {known}")
    ratio = _SAMPLERS.get(kind)
    if ratio is None:
        text = said.get("OTEL_TRACES_SAMPLER_ARG", "1")
        try:
            ratio = float(text)
        except ValueError:
            ratio = -1
        if not 0 <= ratio <= 1:
            faults.append(f"OTEL_TRACES_SAMPLER_ARG: {text!r} is no number from 0 to 1")
    return ratio, kind != name


def _pairs(text: str, name: str, faults: list[str]) -> tuple[tuple[str, str], ...]:
    """`key=value,…`, percent-encoded, as OpenTelemetry has it; a fault does not show the value, it may be a secret."""
    found = [one.partition("=") for one in text.split(",") if one.strip()]
    faults += [
        f"{name}: write it like key=value,key=value" for key, equals, _ in found if not equals or not key
    ][:1]
    return tuple((unquote(key.strip()), unquote(value.strip())) for key, _, value in found)
