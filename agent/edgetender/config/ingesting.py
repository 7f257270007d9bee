"""What may modules send through the agent?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgetender.config import values


@dataclass(frozen=True, slots=True)
class MessagesSettings:
    """What a module may send, where its manifest names streams: through a socket that it alone is shown."""

    per_second: Annotated[
        float,
        values.number(0.01, 10_000),
        "of one module, all its streams together; ten seconds' worth at once",
    ] = 10.0
    max_bytes: Annotated[int, values.whole(64, 192 * 1024), "one message at most"] = 64 * 1024
    directory: Annotated[Path, values.path, "where the sockets lie; in memory"] = Path(
        "/run/edgetender/messages"
    )
