"""Which engine is behind the socket, which API version does it get, and what does a failed call mean?"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator

import docker
import docker.errors
import requests

from edgetender.engine.outcomes import refusal, unreachable
from edgetender.engine.stream import ask
from edgetender.errors import EngineRefused

PROVEN_API = "1.41"  # Docker Engine 20.10; one-shot stats need it


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

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[docker.APIClient]:
        """This thread's client, with every failure in our words; *what* completes `cannot …`."""
        try:
            yield self._client()
        except docker.errors.APIError as error:
            raise refusal(what, error.status_code or 0, error.explanation or str(error)) from error
        except (requests.RequestException, docker.errors.DockerException) as error:
            self._drop_client()
            raise unreachable(what, error) from error

    def api_version(self) -> str:
        """The version to speak. Raises EngineDown, or EngineRefused for an engine that is too old."""
        if (known := self._api) is not None:
            return known
        found = ask(self._address, "/version", what="reach the engine", timeout_s=self._timeout_s)
        newest, oldest = found.get("ApiVersion", "0"), found.get("MinAPIVersion") or "0"
        if _number(newest) < _number(PROVEN_API):
            raise EngineRefused(
                f"cannot use the engine: it is version {found.get('Version', '?')} and speaks API {newest}, "
                f"{PROVEN_API} is needed; install Docker Engine 20.10 or newer"
            )
        self._api = chosen = max(PROVEN_API, oldest, key=_number)
        return chosen

    def _client(self) -> docker.APIClient:
        client: docker.APIClient | None = getattr(self._local, "client", None)
        if client is None:
            client = docker.APIClient(
                base_url=self._address, version=self.api_version(), timeout=math.ceil(self._timeout_s)
            )
            self._local.client = client
            with self._lock:
                self._clients.append(client)
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


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
