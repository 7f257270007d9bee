"""What becomes of a container that can never be started again?"""

from __future__ import annotations

import docker
import docker.errors

from edgetender.engine.outcomes import must_go
from edgetender.errors import FrontDown


def start(client: docker.APIClient, container: str) -> None:
    """Start *container*. One that never can again is removed, and FrontDown says so: another one is made next time.

    Raises docker's APIError for every other refusal.
    """
    try:
        client.start(container)
    except docker.errors.APIError as error:
        if not (why := must_go(error.explanation or "")):
            raise
        client.remove_container(container, v=True, force=True)
        raise FrontDown(
            f"cannot start container {container[:12]}: {why}; it is removed, and made anew"
        ) from error
