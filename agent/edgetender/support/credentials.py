"""Which passwords does this device know, so that none of them leaves it in a bundle?"""

from __future__ import annotations

import json
from pathlib import Path


def credentials_in(*folders: Path) -> set[str]:
    """The passwords of the credentials in *folders*, as far as this user may read them."""
    found: set[str] = set()
    for path in (path for folder in folders for path in _files(folder)):
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError):
            continue
        try:
            said = json.loads(text)
        except ValueError:
            said = {"password": text.strip()}
        if isinstance(said, dict):  # the user's name is no secret, and may be the device's name
            found |= {value for key, value in said.items() if isinstance(value, str) and key != "username"}
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []
