"""How are moments, and what may be unknown, said to people? Without pydantic, which `model.quantity` brings along."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from edgetender.model.units import duration_text, size_text


def span(seconds: float) -> str:
    """`6d 4h`, `2h 5m`, `41s`: two units at most."""
    return duration_text(seconds)


def ago(moment: str | None, now: datetime) -> str:
    """`2h 5m ago`; - for none."""
    if moment is None:
        return "-"
    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def size(size_bytes: float | None) -> str:
    """`612.4 MiB`; - for unknown."""
    return "-" if size_bytes is None else size_text(size_bytes)


def share(ratio: float | None) -> str:
    """`41 %`; - for unknown."""
    return "-" if ratio is None else f"{ratio * 100:.0f} %"


def fetched(pull: Any) -> str:
    """`62 % of 1.8 GiB, 54 MiB/s, ~13s`: how far a pull is."""
    speed = f"{size(pull['bytesPerSecond'])}/s" if pull["bytesPerSecond"] else ""
    if not pull["totalBytes"]:
        return ", ".join(filter(None, (f"{size(pull['doneBytes'])} here", speed)))
    left = (
        (pull["totalBytes"] - pull["doneBytes"]) / pull["bytesPerSecond"] if pull["bytesPerSecond"] else None
    )
    done = f"{share(pull['doneBytes'] / pull['totalBytes'])} of {size(pull['totalBytes'])}"
    return ", ".join(filter(None, (done, speed, f"~{span(left)}" if left is not None else "")))


def waiting_words(waits: Any) -> str:
    """`apply is for 0 2 * * sat for 4h, until 2026-11-28T02:00:00Z`: each reason once, and when it is over."""
    words = {f"{one['why']}{', until ' + one['until'] if one['until'] else ''}" for one in waits.values()}
    return "; ".join(sorted(words))


def ending(waits: Any) -> str:
    """`; edgetender release ends it`: what a person can do about *waits*; empty where it was said or nothing helps."""
    codes = {one["code"] for one in waits.values()}
    if "hold.operator" in codes:
        return "" if "edgetender release" in waiting_words(waits) else "; edgetender release ends it"
    passed = all(code.startswith(("window.", "hold.module", "clock.")) for code in codes)
    return "; edgetender apply --now waits for none of that" if codes and passed else ""
