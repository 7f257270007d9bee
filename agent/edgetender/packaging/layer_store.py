"""What has been built here before? Blobs by digest, and notes that say which input gave which layer."""

import json
import os
from pathlib import Path
from typing import Any

from edgetender.codec import canonical, sha256_hex
from edgetender.packaging import oci_layout
from edgetender.packaging.layer import Layer
from edgetender.packaging.writer import writer


def default_store() -> Path:
    """Where layers and models are kept: `EDGETENDER_STORE`, else the user's data directory."""
    if named := os.environ.get("EDGETENDER_STORE"):
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "edgetender"


class LayerStore:
    """A directory of blobs and notes, made on first use. A note follows its blob: safe to interrupt."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blobs = root / "blobs" / "sha256"
        self._notes = root / "notes"
        for folder in (self.blobs, self._notes):
            folder.mkdir(parents=True, exist_ok=True)

    def holds(self, digest: str) -> bool:
        return oci_layout.blob(self.blobs, digest).is_file()

    def layer(self, key: str) -> Layer | None:
        """Return the layer noted under *key*, if its blob is still here."""
        kept = self.note(key)
        if kept is None or not self.holds(kept["digest"]):
            return None
        return Layer(kept["digest"], kept["diff_id"], kept["size"])

    def keep_layer(self, key: str, layer: Layer) -> None:
        self.keep(key, {"digest": layer.digest, "diff_id": layer.diff_id, "size": layer.size})

    def note(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under *key*; None for nothing, and for a damaged note."""
        try:
            found = json.loads((self._notes / f"{key}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep(self, key: str, content: dict[str, Any]) -> None:
        part = self._notes / f".{key}.{writer()}"
        part.write_bytes(canonical(content))
        part.replace(self._notes / f"{key}.json")


def fingerprint(path: Path) -> str:
    """An identity of a large file that is cheap to take: its place, size and time."""
    status = path.stat()
    return sha256_hex(canonical([str(path.resolve()), status.st_size, status.st_mtime_ns]))
