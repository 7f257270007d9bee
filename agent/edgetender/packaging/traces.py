"""What is known of a registry from earlier runs? Which repository has a blob, and which uploads were begun."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgetender.packaging.writer import writer
from edgetender.registry.blob_upload import Traces

_MOST = 5000  # blobs; a hint that is lost costs an upload


def of_file(path: Path | None) -> Traces:
    """Return what *path* keeps, and keep there what changes; of None, nothing is kept. A damaged file is empty.

    An upload's address may be all that a registry asks for: the file is its owner's to read. Two that write at once
    lose one another's hints, nothing else.
    """
    if path is None:
        return Traces()
    try:
        found = json.loads(path.read_bytes())
        held, begun = (
            {str(name): str(value) for name, value in found[part].items()} for part in ("held", "begun")
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        held, begun = {}, {}

    def keep() -> None:
        newest = dict(list(held.items())[-_MOST:])
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{writer()}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({"held": newest, "begun": begun}, out)
        part.replace(path)  # not synced: it is kept at each blob

    return Traces(held, begun, keep)
