"""How are moments, and what may be unknown, said to people? Without pydantic, which `model.quantity` brings along."""

from __future__ import annotations

from datetime import datetime

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
