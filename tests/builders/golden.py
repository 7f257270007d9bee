"""Is this text what it was? Compared with a file in tests/golden; GOLDEN=write writes the files anew."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"
PICTURES = Path(__file__).parents[2] / "docs/images"


def same(name: str, text: str) -> None:
    """Fail unless *text* is exactly what tests/golden/<name>.txt holds."""
    file = FOLDER / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        file.write_text(text, "utf-8")
    assert file.exists(), f"{file} is missing: run once with GOLDEN=write, and read what it wrote"
    expected = file.read_text("utf-8")
    if text != expected:
        lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), file.name, "said", lineterm="")
        raise AssertionError("\n".join(lines) or f"only line ends differ from {file}")


def picture(name: str, webp: bytes) -> None:
    """Fail unless docs/images has <name>.webp; no pixel is compared: fonts are other ones on other machines."""
    file = PICTURES / f"{name}.webp"
    if os.environ.get("GOLDEN") == "write":
        file.write_bytes(webp)
    assert file.exists(), f"{file} is missing: run once with GOLDEN=write, and look at what it wrote"
    assert file.stat().st_size < 150_000
