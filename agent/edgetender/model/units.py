"""How are sizes and durations said to people?"""

from __future__ import annotations


def size_text(size_bytes: float) -> str:
    """`1.5 GiB`: IEC units, at most one decimal."""
    for unit, factor in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if abs(size_bytes) >= factor:
            return f"{size_bytes / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{int(size_bytes)} B"


def duration_text(seconds: float) -> str:
    """`6d 4h`, `2h 5m`, `41s`: two units at most."""
    left = max(0, int(seconds))
    parts = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length:
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join(parts[:2]) or "0s"
