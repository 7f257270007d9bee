"""When is a container gone? Also if somebody else's hand began to remove it."""

from __future__ import annotations

import contextlib
import math

import docker
import docker.errors
import requests


def remove(client: docker.APIClient, container: str, within_s: float) -> None:
    """Return once *container* is gone, and its name is free. Raises docker's APIError for a refusal."""
    with contextlib.suppress(docker.errors.NotFound):
        try:
            client.remove_container(container, v=True, force=True)  # v: anonymous volumes, not named ones
        except docker.errors.APIError as error:
            if error.status_code != requests.codes.conflict:
                raise
            # someone else's removal is under way: gone is what was promised
            client.wait(container, timeout=math.ceil(within_s), condition="removed")
