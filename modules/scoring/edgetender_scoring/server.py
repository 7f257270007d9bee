"""How does the server live? It listens, answers until SIGTERM, then drains: nothing taken is lost."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgetender_scoring import __version__, cpus
from edgetender_scoring.aside import aside
from edgetender_scoring.collector import Collector
from edgetender_scoring.connection import Answering, Connection
from edgetender_scoring.envelope import Envelope
from edgetender_scoring.heads import Heads
from edgetender_scoring.keys import Keys
from edgetender_scoring.log import AccessLog
from edgetender_scoring.memory import give_back
from edgetender_scoring.metrics import Metrics
from edgetender_scoring.providers import ModelUnusable
from edgetender_scoring.routes import Application, HealthOnly
from edgetender_scoring.script import Script
from edgetender_scoring.served import Served
from edgetender_scoring.settings import Settings
from edgetender_scoring.swagger import Service, Swagger, schemas
from edgetender_scoring.tls import Certificate, TlsUnusable
from edgetender_scoring.trace import Tracing
from edgetender_scoring.workers import Pool

if TYPE_CHECKING:
    from edgetender_scoring.spans import Spans

log = logging.getLogger("edgetender_scoring")

_Connect = functools.partial[Connection]
_SERVED: list[_Server] = []  # to the end of the process: nobody takes their models down

_BACKLOG = 1024
_SWEEP_S = 5.0
_HELLO_S = 1.0  # for the greetings of TLS, when stopping: a client that says nothing must not hold the end
_SWITCH_S = 0.0002  # how long a script that computes in Python may keep the event loop from answering health
_QUIET_S = 0.25  # when draining: a connection this quiet is closed, a busy one ends with its next answer


class CannotListen(Exception):
    """The port cannot be taken."""


def serve(settings: Settings, script: Script | None) -> bool:
    """Answer until SIGTERM or SIGINT; without a script, with the models there are, once they are loaded.

    Returns whether the interpreter may end in its own way: all threads are free, and no models are loaded, for the
    libraries of a card may hang when they are taken down (seen with CUDA 13: for 7 s, and for more than 10). Raises
    CannotListen, and ModelUnusable for a model that cannot serve.
    """
    server = _Server(settings, script)
    _SERVED.append(server)
    try:
        import uvloop
    except ImportError:  # no wheel for this platform
        return asyncio.run(server.run())
    return uvloop.run(server.run())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


class _Server:
    def __init__(self, settings: Settings, script: Script | None) -> None:
        self._settings, self._script = settings, script
        self._connections: set[Connection] = set()
        self._heads = Heads()
        self._served = Served() if script is None else _served(settings, script)

    async def run(self) -> bool:
        settings = self._settings
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        sys.setswitchinterval(_SWITCH_S)
        metrics = Metrics(__version__)
        pool = Pool(loop, settings.timeout_ms, metrics.batched, settings.batch_wait_s)
        pool.grow(settings.threads or cpus.usable() if settings.threads_said else 1)
        access = AccessLog(loop)
        envelope = Envelope(cors_origins=settings.cors_origins, says_version=settings.says_version)
        served = self._served
        keys = None if settings.keys is None else Keys(settings.keys)
        certificate = None if settings.tls is None else Certificate(settings.tls)
        wanted = (settings.collect, settings.send, settings.drift)
        collectors = tuple(Collector(one) for one in wanted if one is not None)
        spans = None if settings.tracing is None else _spans(settings.tracing)
        application = Application(
            envelope, served, pool, metrics, access, keys, collectors, settings.body_limit, spans
        )
        doors: list[tuple[socket.socket, Answering]] = [(_listen(settings.host, settings.port), application)]
        if settings.health_port is not None:
            doors.append((_listen(settings.host, settings.health_port), HealthOnly(application)))
        context = None if certificate is None else certificate.context
        secured = [context, None]  # probes of the health port come without certificates
        spares = [
            (listener.dup(), self._connect(loop, answering), tls)
            for (listener, answering), tls in zip(doors, secured, strict=False)
        ]
        servers = [
            await loop.create_server(
                self._connect(loop, answering),
                sock=listener,
                backlog=_BACKLOG,
                ssl=tls,
                ssl_shutdown_timeout=None if tls is None else _HELLO_S,
            )
            for (listener, answering), tls in zip(doors, secured, strict=False)
        ]
        port = doors[0][0].getsockname()[1] if doors[0][0].fileno() >= 0 else settings.port
        failed = None if self._script else await self._load(served, pool, stop)
        gc.collect()
        give_back()
        gc.freeze()  # the model stays: the collector need not walk it again and again
        if not stop.is_set():
            log.info("ready on %s:%d, %d scoring threads", settings.host, port, pool.threads)
        sweeper = loop.create_task(self._sweep(loop, certificate))
        await stop.wait()

        application.draining = True
        log.info("stopping: %d requests in flight", pool.in_flight)
        sweeper.cancel()
        for server in servers:
            server.close()
        for spare, connect, tls in spares:
            await _accept_rest(loop, spare, connect, tls)
        await drained(self._connections, self._settings.grace_s, loop.time)
        access.flush()
        for collector in collectors:
            collector.close()
        if spans is not None:
            spans.close()
        if failed is not None:
            raise failed
        return pool.close() and self._script is not None

    async def _load(self, served: Served, pool: Pool, stop: asyncio.Event) -> ModelUnusable | None:
        """Load the models on a thread, then serve them; health answers meanwhile. A failure sets *stop*."""
        try:
            from edgetender_scoring import nocode  # with numpy, which scripts may do without
        except ImportError as error:
            stop.set()
            return ModelUnusable(f"models without entry script need numpy and onnxruntime: {error}")
        settings = self._settings
        models = nocode.repository(settings, settings.models_at or settings.root)
        loading = aside(asyncio.get_running_loop(), functools.partial(nocode.load, models))
        stopping = asyncio.ensure_future(stop.wait())
        both: set[asyncio.Future[Any]] = {loading, stopping}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not loading.done():
            return None
        try:
            entries = loading.result()
        except Exception as error:
            stop.set()
            if isinstance(error, ModelUnusable):
                return error
            log.exception("the models cannot be loaded")
            return ModelUnusable(f"the models cannot be loaded: {error}")
        pool.grow(nocode.threads(settings, entries))
        for entry in entries:
            models.keep(entry)
        served.refresh = functools.partial(nocode.offer, served, models, settings)
        served.refresh()
        return None

    def _connect(
        self, loop: asyncio.AbstractEventLoop, answering: Answering
    ) -> functools.partial[Connection]:
        return functools.partial(
            Connection, loop, answering, self._connections, self._heads, self._settings.body_limit
        )

    async def _sweep(self, loop: asyncio.AbstractEventLoop, certificate: Certificate | None) -> None:
        """Close connections whose client has said nothing for long; look for a renewed certificate."""
        while True:
            await asyncio.sleep(min(_SWEEP_S, self._settings.idle_s / 2))
            if certificate is not None:
                certificate.refresh()
            limit = loop.time() - self._settings.idle_s
            for connection in list(self._connections):
                if connection.waits_for_client and connection.active_at < limit:
                    connection.end()


async def drained(connections: set[Connection], grace_s: float, now: Callable[[], float]) -> None:
    """Wait until every connection has its answer, at most *grace_s*; end those that are left."""
    deadline, before = now() + grace_s, frozenset[Connection]()
    while connections and now() < deadline:
        limit = now() - _QUIET_S
        quiet = frozenset(one for one in list(connections) if one.idle and one.active_at < limit)
        for connection in (
            quiet & before
        ):  # what came while this process was held up is read between two looks
            connection.end()
        before = quiet
        await asyncio.sleep(0.02)
    for connection in list(connections):
        connection.end()
    await asyncio.sleep(0)


def _served(settings: Settings, script: Script) -> Served:
    takes, gives, versions = schemas(script.run)
    service = Service(
        settings.service_name, settings.service_version, settings.path_prefix, takes, gives, versions
    )
    swagger = Swagger(service, settings.root)
    named = _named(settings.model_dir)
    return Served(script, raw=script.style.raw, swagger=swagger, ready=True, named=named)


def _spans(what: Tracing) -> Spans:
    from edgetender_scoring.spans import Spans  # late: few ask for them, and it takes memory

    try:
        return Spans(what)
    except OSError as error:
        raise TlsUnusable(f"OTEL_EXPORTER_OTLP_CERTIFICATE: {what.ca} cannot be used: {error}") from error


def _named(model_dir: str | None) -> tuple[str, str] | None:
    """Name and version of the one registered model, which lies in `azureml-models/NAME/VERSION`."""
    *_, name, version = ("", "", *Path(model_dir or "").parts)
    return (name, version) if name and version.isdigit() else None


async def _accept_rest(
    loop: asyncio.AbstractEventLoop, listener: socket.socket, connect: _Connect, tls: ssl.SSLContext | None
) -> None:
    """Take the connections the kernel has accepted already: their clients have sent their requests."""
    taken, farewell = [], None if tls is None else _HELLO_S
    with contextlib.suppress(BlockingIOError, OSError):
        while True:
            client, _ = listener.accept()
            client.setblocking(False)
            taken.append(
                loop.connect_accepted_socket(connect, client, ssl=tls, ssl_shutdown_timeout=farewell)
            )
    listener.close()
    if taken:
        with contextlib.suppress(TimeoutError):  # one that never says hello must not hold the end
            await asyncio.wait_for(asyncio.gather(*taken, return_exceptions=True), _HELLO_S)
