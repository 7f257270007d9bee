"""Logs and support bundles on their way to a store: tasks that are begun, worked on and asked for by their id."""

from __future__ import annotations

import http.client
import io
import logging
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

from edgetender import __version__
from edgetender.clock import Clock
from edgetender.commands.module_logs import Line, Wanted, encoded
from edgetender.commands.request import Refused
from edgetender.config.settings import Settings

log = logging.getLogger(__name__)

_AT_ONCE, _REMEMBERED = 2, 64
_PUT_S = 120.0
Lines = list[tuple[str, list[Line]]]


@dataclass(slots=True)
class Task:
    """As IoT Edge's agent tells it: NotStarted, Running, Completed, Failed, Unknown."""

    status: str = "NotStarted"
    message: str = ""


class Uploads:
    """Threads: any; each task has one of its own, _AT_ONCE of them work. What was running when the agent ended
    is Unknown afterwards.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._lock = threading.Lock()
        self._working = threading.Semaphore(_AT_ONCE)
        self._tasks: dict[str, Task] = {}

    def logs(self, url: str, read: Callable[[], Lines], wanted: Wanted) -> dict[str, str]:
        """Begin to send each module's lines, one object each."""

        def work() -> str:
            found, stamp = read(), f"{self._clock.now():%Y-%m-%d--%H-%M-%S}"
            for name, lines in found:
                body = encoded(self._settings.device, name, lines, wanted)
                self._put(url, f"{self._settings.device}/{name}-{stamp}{wanted.suffix}", body)
            return ""

        return self._begin(url, work)

    def bundle(
        self, url: str, since: datetime, until: datetime | None, *, with_modules: bool
    ) -> dict[str, str]:
        """Begin to make and send a support bundle, with the agent's own log of that time."""

        def work() -> str:
            from edgetender.api.client import Client
            from edgetender.support.bundle import Bundle
            from edgetender.support.collecting import PLUGINS
            from edgetender.support.credentials import credentials_in

            now, stream = self._clock.now(), io.BytesIO()
            settings = self._settings
            secrets = credentials_in(settings.credentials.directory, settings.received_credentials)
            client = Client(f"unix://{self._settings.api.socket}")
            made = Bundle(
                client,
                secrets,
                since=f"@{since.timestamp():.0f}",
                until=f"@{until.timestamp():.0f}" if until is not None else "",
                with_modules=with_modules,
                plugin_folder=PLUGINS,
                engine=settings.engine.socket,
            )
            made.write(stream, self._settings.device, now, __version__)
            name = f"{self._settings.device}/support-bundle-{now:%Y-%m-%d--%H-%M-%S}.tar.gz"
            self._put(url, name, stream.getvalue())
            return "; ".join(made.problems)

        return self._begin(url, work)

    def status(self, identity: str) -> dict[str, str]:
        with self._lock:
            task = self._tasks.get(identity)
        if task is None:
            return {"status": "Unknown", "message": "no such task here", "correlationId": identity}
        return {"status": task.status, "message": task.message, "correlationId": identity}

    def _begin(self, url: str, work: Callable[[], str]) -> dict[str, str]:
        address = urlsplit(url)
        if address.scheme != "https" or not address.hostname:
            raise Refused("sasUrl is an https:// address")
        identity, task = str(uuid.uuid4()), Task()
        with self._lock:
            for old in list(self._tasks)[: max(0, len(self._tasks) + 1 - _REMEMBERED)]:
                del self._tasks[old]
            self._tasks[identity] = task
        threading.Thread(target=lambda: self._run(task, work), name="upload", daemon=True).start()
        return self.status(identity)

    def _run(self, task: Task, work: Callable[[], str]) -> None:
        with self._working:
            task.status = "Running"
            try:
                task.message = work()
            except Exception as error:  # noqa: BLE001  # whatever it is, the asker is told
                log.warning("upload failed", extra={"fields": {"why": str(error)}})
                task.message, task.status = str(error) or type(error).__name__, "Failed"
            else:
                task.status = "Completed"

    def _put(self, url: str, name: str, body: bytes) -> None:
        """Put *body* below a container's address, or at the address of an object. Raises OSError."""
        address = urlsplit(url)
        is_object = "sr=b" in address.query.split("&")
        path = address.path if is_object else f"{address.path.rstrip('/')}/{quote(name)}"
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=_PUT_S, context=_trust(self._settings.transport.ca)
        )
        try:
            connection.request(
                "PUT",
                f"{path}?{address.query}" if address.query else path,
                body,
                {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-08-06"},
            )
            answer = connection.getresponse()
            answer.read(4096)
        finally:
            connection.close()
        if answer.status not in (200, 201, 204):
            raise OSError(f"{address.hostname} answers {answer.status} {answer.reason}")


def _trust(ca: Path | None) -> ssl.SSLContext:
    """The system's authorities, and that of the transport: a store may stand behind the same gateway."""
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    return context
