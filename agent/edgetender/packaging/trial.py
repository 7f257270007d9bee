"""Does an image serve? Its container is asked for its health; on trial it is taken away again."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.request
from dataclasses import dataclass

from edgetender.packaging.engine_api import Engine

_STEP_S = 0.2


@dataclass(frozen=True, slots=True)
class Tried:
    """*serves*: `/` answered 200; else *why* says what happened, with the end of its log, and whether it *ended*."""

    serves: bool
    why: str = ""
    ended: bool = False


def attempt(
    engine: Engine, reference: str, *, within_s: float = 60, stopping: threading.Event | None = None
) -> Tried:
    """Start the image the engine has under *reference* and wait for its health. Raises EngineDown, EngineRefused."""
    port = _free_port()
    identity = engine.run(reference, name=None, ports={5001: ("127.0.0.1", port)}, env=[])
    try:
        return followed(engine, identity, ("127.0.0.1", port), within_s=within_s, stopping=stopping)
    finally:
        engine.remove(identity)


def followed(
    engine: Engine,
    identity: str,
    address: tuple[str, int],
    *,
    within_s: float,
    stopping: threading.Event | None = None,
) -> Tried:
    """Wait until the container answers at *address*, or ends. Raises EngineDown, EngineRefused."""
    stop = stopping or threading.Event()
    for _ in range(int(within_s / _STEP_S)):
        state = engine.state(identity)
        if not state["Running"]:
            why = f"it ends with exit code {state['ExitCode']}: {_end(engine, identity)}"
            return Tried(serves=False, why=why, ended=True)
        if _healthy(*address):
            return Tried(serves=True)
        if stop.wait(_STEP_S):
            break
    why = f"no answer on port 5001 within {within_s:g} s: {_end(engine, identity)}"
    return Tried(serves=False, why=why)


def _healthy(host: str, port: int) -> bool:
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        urllib.request.urlopen(f"http://{host}:{port}/", timeout=2) as answer,
    ):
        return bool(answer.status == 200)  # noqa: PLR2004
    return False


def _end(engine: Engine, identity: str) -> str:
    lines = [line.strip() for line in engine.logs(identity).splitlines() if line.strip()]
    return lines[-1] if lines else "it logged nothing"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
