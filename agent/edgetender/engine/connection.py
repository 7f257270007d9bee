"""Which engine is behind the socket, which API version does it get, and what does a failed call mean?"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import docker
import docker.errors
import requests

from edgetender.engine.outcomes import refusal, unreachable
from edgetender.engine.stream import Stream, ask
from edgetender.errors import EngineDown, EngineRefused
from edgetender.model.versions import rank

PROVEN_API = "1.41"  # Docker Engine 20.10; one-shot stats need it
PING_S = 3.0  # an engine that is busy, with a pull or a build, answers this one in milliseconds
_BRIEF_S = 3.0
T = TypeVar("T")


class Connection:
    """Clients of the engine at *address*, one per thread, opened on first use.

    They speak the oldest API version that was proven, or the engine's minimum if that is newer: what an
    engine's newest version changes cannot surprise a device in the field.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self._address, self._timeout_s = address, timeout_s
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clients: list[docker.APIClient] = []
        self._api: str | None = None

    def close(self) -> None:
        """Close the clients of all threads; only for the end."""
        with self._lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()

    def ping(self, what: str = "reach the engine", within_s: float = PING_S) -> None:
        """Return once it answered anything. Raises EngineDown where it says nothing for so long."""
        with Stream(self._address, "GET", "/_ping", what=what, timeout_s=within_s) as stream:
            stream.whole(within_s)

    def looking(self, what: str, look: Callable[[docker.APIClient], T]) -> T:
        """What *look* finds, which changes nothing.

        An engine that is slow is asked once more, with the full patience; one that hangs is down within 6 s.
        """
        try:
            with self.asking(what, min(_BRIEF_S, self._timeout_s)) as client:
                return look(client)
        except EngineDown as error:
            if not isinstance(error.__cause__, TimeoutError | requests.Timeout):
                raise
            try:
                self.ping(what, min(PING_S, self._timeout_s))
            except EngineDown:
                raise error from error.__cause__
        with self.asking(what) as client:
            return look(client)

    @contextlib.contextmanager
    def asking(self, what: str, patience_s: float | None = None) -> Iterator[docker.APIClient]:
        """This thread's client, with every failure in our words; *what* completes `cannot …`."""
        try:
            yield self._client(patience_s or self._timeout_s)
        except docker.errors.APIError as error:
            raise refusal(what, error.status_code or 0, error.explanation or str(error)) from error
        except (requests.RequestException, docker.errors.DockerException) as error:
            self._drop_client()
            raise unreachable(what, error) from error

    def api_version(self, patience_s: float | None = None) -> str:
        """The version to speak. Raises EngineDown, or EngineRefused for an engine that is too old."""
        if (known := self._api) is not None:
            return known
        found = ask(
            self._address, "/version", what="reach the engine", timeout_s=patience_s or self._timeout_s
        )
        newest, oldest = found.get("ApiVersion", "0"), found.get("MinAPIVersion") or "0"
        if rank(newest) < rank(PROVEN_API):
            raise EngineRefused(
                f"cannot use the engine: it is version {found.get('Version', '?')} and speaks API {newest}, "
                f"{PROVEN_API} is needed; install Docker Engine 20.10 or newer"
            )
        self._api = chosen = max(PROVEN_API, oldest, key=rank)
        return chosen

    def _client(self, patience_s: float) -> docker.APIClient:
        client: docker.APIClient | None = getattr(self._local, "client", None)
        if client is None:
            client = docker.APIClient(base_url=self._address, version=self.api_version(patience_s))
            self._local.client = client
            with self._lock:
                self._clients.append(client)
        client.timeout = math.ceil(patience_s)
        return client

    def _drop_client(self) -> None:
        """After a failure the next call looks anew: the engine may come back as another version."""
        self._api = None
        client: docker.APIClient | None = getattr(self._local, "client", None)
        self._local.client = None
        if client is not None:
            client.close()
            with self._lock, contextlib.suppress(ValueError):
                self._clients.remove(client)


def inspected(client: docker.APIClient, container: str) -> Mapping[str, Any] | None:
    """What the engine says of it; None where there is none."""
    try:
        found: Mapping[str, Any] = client.inspect_container(container)
    except docker.errors.NotFound:
        return None
    return found
