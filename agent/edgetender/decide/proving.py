"""Does a started variant compute where it was meant to, rightly and quickly enough? One request after the other. Pure.

First who computes (the scoring server's own figures, or an answer of the image's own), then one input whose answer
is known, warmed up and timed. The first thing that is wrong ends it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from edgetender.codec import canonical
from edgetender.model.manifest import Variant
from edgetender.model.target import Proving

PASSED = "passed"
_INFO = re.compile(r'_provider_info\{[^}]*requested="(?P<requested>[^"]*)",actual="(?P<actual>[^"]*)"')
_SHARE = re.compile(r'_provider_nodes_ratio\{[^}]*provider="(?P<provider>[^"]*)"\} (?P<share>[0-9.]+)')
_OK = 200
REPORT = "/health/hardware"  # the scoring server's, which says how long its known input takes


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, after how many seconds; *error* where nothing did."""

    status: int = 0
    body: bytes = b""
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a proof is. *ended* is empty, PASSED, or what is wrong: `provider_not_active: …`."""

    placed: bool = False
    sent: int = 0
    seconds: tuple[float, ...] = ()
    ended: str = ""
    p95_s: float | None = None

    @property
    def failed(self) -> bool:
        return self.ended not in ("", PASSED)


def proving_of(variant: Variant, *, timed: bool) -> Proving | None:
    """What the manifest wants to be shown; None where it names no provider, no known answer and no time."""
    proof, golden = variant.probe, variant.probe.golden
    if variant.provider is None and golden is None and proof.p95_max is None and not timed:
        return None
    return Proving(
        provider=variant.provider,
        min_share=proof.min_share,
        path=proof.path,
        port=proof.port,
        golden_path=golden.path if golden else "/score",
        golden_body=canonical(golden.body).decode() if golden else "",
        golden_expect=canonical(golden.expect).decode() if golden else "",
        tolerance=golden.tolerance if golden else 0.0,
        warmup=proof.warmup,
        runs=proof.runs,
        p95_max_s=proof.p95_max,
        timed=timed,
    )


def begun(proving: Proving) -> Progress:
    return _on(Progress(placed=proving.provider is None and not proving.reported), proving)


def untimed(proving: Proving) -> Proving:
    """The same without its timed runs: for what serves already, and is to be left in peace."""
    return replace(proving, p95_max_s=None, timed=False)


def request(progress: Progress, proving: Proving) -> Request:
    """What to ask next, while it has not ended."""
    if not progress.placed:
        return Request("GET", proving.path or (REPORT if proving.reported else "/metrics"))
    return Request("POST", proving.golden_path, proving.golden_body.encode())


def after(progress: Progress, proving: Proving, answer: Answer) -> Progress:
    """The progress with one more answer. No answer at all is no verdict: health checks say more of that."""
    if answer.error:
        return progress
    if not progress.placed:
        why = _misplaced(answer, proving) if proving.provider is not None else _admitted(answer.body)
        p95_s = _reported_p95_s(answer.body) if proving.reported else None
        return (
            replace(progress, ended=why) if why else _on(replace(progress, placed=True, p95_s=p95_s), proving)
        )
    if answer.status != _OK:
        return replace(
            progress, ended=f"wrong_answer: the known input was answered with status {answer.status}"
        )
    if not _right(answer.body, proving):
        return replace(progress, ended="wrong_answer: the known input has another answer than expected")
    timed = progress.sent >= proving.warmup
    seconds = (*progress.seconds, answer.seconds) if timed else progress.seconds
    return _on(replace(progress, sent=progress.sent + 1, seconds=seconds), proving)


def _on(progress: Progress, proving: Proving) -> Progress:
    """Whether all is asked, and then whether it was quick enough."""
    runs = proving.runs if proving.timed or proving.p95_max_s is not None else 0
    if not progress.placed or (
        proving.golden_body and progress.sent < max(1, proving.warmup * bool(runs) + runs)
    ):
        return progress
    p95_s = progress.p95_s
    if runs and progress.seconds:
        p95_s = sorted(progress.seconds)[math.ceil(0.95 * len(progress.seconds)) - 1]
    return replace(progress, ended=_too_slow(p95_s, proving.p95_max_s) or PASSED, p95_s=p95_s)


def _too_slow(p95_s: float | None, most_s: float | None) -> str:
    if most_s is None or (p95_s is not None and p95_s <= most_s):
        return ""
    limit = f"at most {most_s * 1000:g} ms is asked for"
    if p95_s is None:
        return f"not_timed: {limit}, there is no known input to time, and the image does not say how long it takes"
    return f"slow: p95 is {p95_s * 1000:.1f} ms, {limit}"


def _reported_p95_s(body: bytes) -> float | None:
    """What the report on the hardware says of its own runs, in seconds; None where it says nothing."""
    try:
        p95_s = float(json.loads(body)["latency_ms"]["p95"]) / 1000
    except (ValueError, KeyError, TypeError):
        return None
    return p95_s if math.isfinite(p95_s) and p95_s >= 0 else None


def _misplaced(answer: Answer, proving: Proving) -> str:
    """Why the provider is not where the model runs; empty when it is."""
    active, shares = _said(answer.body) if answer.status == _OK else (set(), {})
    wanted = str(proving.provider)
    if not active:
        return f"provider_not_active: {wanted} is required, and the image does not say what runs"
    if wanted not in active:
        return f"provider_not_active: {wanted} is required, it runs on {', '.join(sorted(active))}"
    share = shares.get(wanted)
    if share is not None and share < proving.min_share:
        asked = f"{proving.min_share:.0%} are asked for"
        return f"provider_not_active: {wanted} runs {share:.0%} of the nodes, {asked}"
    return _admitted(answer.body)


def _admitted(body: bytes) -> str:
    """What a report on the hardware says against itself: its own known input came out wrong."""
    try:
        golden = json.loads(body)["golden"]
        wrong = golden["passed"] is False
    except (ValueError, KeyError, TypeError):
        return ""
    return f"wrong_answer: {golden.get('reason', 'the packaged input has another answer')}" if wrong else ""


def _said(body: bytes) -> tuple[set[str], dict[str, float]]:
    """Active providers and their shares: Prometheus's text of the scoring server, or the JSON of the contract."""
    text = body.decode(errors="replace")
    if text.lstrip().startswith("{"):
        try:
            document: dict[str, Any] = json.loads(text)
            share = document.get("node_share") or {}
            return {str(one) for one in document["providers_active"]}, {
                str(k): float(v) for k, v in share.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return set(), {}
    return {m["actual"] for m in _INFO.finditer(text)}, {
        m["provider"]: float(m["share"]) for m in _SHARE.finditer(text)
    }


def _right(body: bytes, proving: Proving) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return False
    return _close(found, json.loads(proving.golden_expect), proving.tolerance)


def _close(found: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return bool(found == wanted)
    if isinstance(wanted, int | float):
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return abs(found - wanted) <= tolerance * max(1.0, abs(wanted))
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_close(f, w, tolerance) for f, w in zip(found, wanted, strict=True))
        )
    # what an answer says besides (timings, ids) is no part of what is known of it
    return isinstance(found, dict) and all(
        k in found and _close(found[k], w, tolerance) for k, w in wanted.items()
    )
