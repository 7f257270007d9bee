"""How are moments, spans and sizes said to people? Without pydantic, which `model.quantity` brings along."""

from __future__ import annotations

from datetime import datetime


def span(seconds: float) -> str:
    """`6d 4h`, `2h 5m`, `41s`: two units at most."""
    left = max(0, int(seconds))
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length:
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join(parts[:2]) or "0s"


def ago(moment: str | None, now: datetime) -> str:
    """`2h 5m ago`; - for none."""
    if moment is None:
        return "-"
    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    return "now" if seconds < 1 else f"{span(seconds)} ago"


def size(size_bytes: float | None) -> str:
    """`612.4 MiB`; - for unknown."""
    if size_bytes is None:
        return "-"
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{int(size_bytes)} B"


def share(ratio: float | None) -> str:
    """`41 %`; - for unknown."""
    return "-" if ratio is None else f"{ratio * 100:.0f} %"
