"""What becomes of a container that can never be started again?"""

from __future__ import annotations

from edgetender.engine.client import Client, Refused
from edgetender.engine.outcomes import must_go
from edgetender.errors import FrontDown


def start(client: Client, container: str) -> None:
    """Start *container*. One that never can again is removed, and FrontDown says so: another one is made next time.

    Raises Refused for every other refusal.
    """
    try:
        client.post(f"/containers/{container}/start")
    except Refused as refused:
        if not (why := must_go(refused.words)):
            raise
        client.remove(container)
        raise FrontDown(
            f"cannot start container {container[:12]}: {why}; it is removed, and made anew"
        ) from refused
