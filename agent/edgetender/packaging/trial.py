"""Does an image serve? Its container is asked for its health; on trial it is taken away again."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus

from edgetender.packaging.engine_api import Engine

_WITHIN_S = 60.0
_STEP_S, _ANSWER_S = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Tried:
    """*scheme*: it serves by http or https; None: *why* says what happened, and whether it *ended*."""

    scheme: str | None = None
    why: str = ""
    ended: bool = False

    @property
    def serves(self) -> bool:
        return self.scheme is not None


def attempt(engine: Engine, reference: str) -> Tried:
    """Start the image the engine has under *reference* and wait for its health. Raises EngineDown, EngineRefused."""
    port = _free_port()
    identity = engine.run(reference, name=None, ports={5001: ("127.0.0.1", port)}, env=[])
    try:
        return followed(engine, identity, ("127.0.0.1", port), within_s=_WITHIN_S)
    finally:
        engine.remove(identity)


def followed(engine: Engine, identity: str, address: tuple[str, int], *, within_s: float) -> Tried:
    """Wait until the container answers at *address*, or ends. Raises EngineDown, EngineRefused."""
    pause = threading.Event()
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        state = engine.state(identity)
        if not state["Running"]:
            why = f"it ends with exit code {state['ExitCode']}: {_end(engine, identity)}"
            return Tried(why=why, ended=True)
        if scheme := _scheme(*address):
            return Tried(scheme)
        pause.wait(_STEP_S)
    why = f"no answer on port 5001 within {within_s:g} s: {_end(engine, identity)}"
    return Tried(why=why)


def _scheme(host: str, port: int) -> str | None:
    """How it serves: `/` answers 200, or it shows a certificate, which is for its clients to verify."""
    asked = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
    with contextlib.closing(asked), contextlib.suppress(OSError, http.client.HTTPException):
        asked.request("GET", "/")
        return "http" if asked.getresponse().status == HTTPStatus.OK else None
    try:
        with socket.create_connection((host, port), _ANSWER_S) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError:
        return "https"
    except OSError:
        return None
    return "https"


def _end(engine: Engine, identity: str) -> str:
    lines = [line.strip() for line in engine.logs(identity).splitlines() if line.strip()]
    return lines[-1] if lines else "it logged nothing"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
