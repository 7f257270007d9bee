"""One request to one answer: who asks is checked, the body is bounded, errors become JSON."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route as Mounted

from edgetender.api import answers
from edgetender.api.connection import Bounds
from edgetender.api.house import House
from edgetender.api.live import Live
from edgetender.api.peer import Peer, is_trusted
from edgetender.api.routes import ROUTES, Access, Answer, Call, Route
from edgetender.api.streaming import Streams, close
from edgetender.api.token import is_foreign, shows
from edgetender.codec import MAX_BYTES
from edgetender.errors import AgentError
from edgetender.pages import HEADERS
from edgetender.secret import Secret

log = logging.getLogger(__name__)
audit = logging.getLogger("edgetender.audit")

_VIEWERS = 8
_WRONG_TOKEN_S = 1.0  # who guesses is kept waiting
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose orders are taken: root's, *own_uid*'s, and those of *group*'s members; *readers* may look as well.

    *token* is what the page gives its few orders with, read anew for each; None: it gives none.
    """

    own_uid: int
    group: int | None = None
    readers: int | None = None
    token: Callable[[], Secret] | None = None
    streams: Streams = field(default_factory=Streams)
    viewers: Streams = field(default_factory=lambda: Streams(_VIEWERS))  # pages: they take no log's place


class _Refused(Exception):
    """The request is answered here, without the house."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = _json(answers.error(code, message), status)


def application(house: House, trust: Trust, bounds: Bounds) -> Starlette:
    """The ASGI application of all listeners. `request.state.peer` is None on the loopback one."""
    mounted = [
        Mounted(one.path, _endpoint(one, house, trust, bounds), methods=[one.method]) for one in ROUTES
    ]
    return Starlette(routes=mounted, exception_handlers={HTTPException: _no_route})


def _endpoint(route: Route, house: House, trust: Trust, bounds: Bounds) -> Endpoint:
    async def answer(request: Request) -> Response:
        response = await answered(request)
        if route.method != "GET":
            _audit(request, response.status_code)
        return response

    async def answered(request: Request) -> Response:
        try:
            call = await _admit(request, route.access, trust, bounds)
            return _response(await run_in_threadpool(route.endpoint, house, call), trust)
        except _Refused as refused:
            return refused.response
        except AgentError as error:
            status, body = answers.failure(error)
            return _json(body, status)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # our own bug: the asker is told where its words are, the daemon goes on
            log.exception("a request failed", extra={"fields": {"path": route.path}})
            told = f"cannot answer {route.path}: a fault of the agent's own; see journalctl -u edgetender"
            return _json(answers.error("api.fault", told), 500)

    return answer


def _audit(request: Request, status: int) -> None:
    """One line for each order, taken or not: who gave it, and what it was."""
    peer: Peer | None = request.state.peer
    who = {"uid": peer.uid, "pid": peer.pid} if peer is not None else {"uid": None, "pid": None}
    level = logging.INFO if status < HTTPStatus.BAD_REQUEST else logging.WARNING
    audit.log(level, "asked", extra={"fields": who | {"path": request.scope["path"][:200], "status": status}})


async def _admit(request: Request, access: Access, trust: Trust, bounds: Bounds) -> Call:
    if sum(len(name) + len(value) for name, value in request.headers.raw) > bounds.header_bytes:
        raise _Refused(431, "api.header", f"cannot take the header: more than {bounds.header_bytes} bytes")
    peer: Peer | None = request.state.peer
    if peer is None:
        _check_host(request.headers.get("host", ""))
        if access is Access.PAGE and trust.token is not None:
            await _check_token(request, trust.token)
        elif access is not Access.ANYBODY:
            raise _Refused(403, "api.forbidden", "cannot do this over TCP: use the admin socket")
    else:
        _check_peer(peer, access, trust, reads=request.state.reads)
    try:
        body = await asyncio.wait_for(_body(request), bounds.body_s)
    except TimeoutError:
        raise _Refused(408, "api.slow", f"cannot wait for the body: more than {bounds.body_s:g} s") from None
    source = f"cli ({peer})" if peer is not None else "page"
    return Call(request.path_params, request.query_params, body, source, by_page=peer is None)


async def _check_token(request: Request, token: Callable[[], Secret]) -> None:
    if is_foreign(request.headers):
        raise _Refused(403, "api.origin", "cannot take this from a page of another address")
    if not shows(await run_in_threadpool(token), request.headers):
        await asyncio.sleep(_WRONG_TOKEN_S)
        raise _Refused(
            401, "api.token", "cannot take this: the token is not the page's (api.page_credential)"
        )


def _check_peer(peer: Peer, access: Access, trust: Trust, *, reads: bool) -> None:
    known = is_trusted(peer, own_uid=trust.own_uid, group=trust.group) or (
        reads and is_trusted(peer, own_uid=trust.own_uid, group=trust.readers)
    )
    if not known:
        raise _Refused(
            403, "api.forbidden", f"cannot take this from uid {peer.uid}: not in the agent's group"
        )
    if reads and access not in (Access.ANYBODY, Access.READ):
        raise _Refused(403, "api.forbidden", "cannot change anything here: use the admin socket")
    if access is Access.ROOT and peer.uid not in (0, trust.own_uid):
        raise _Refused(403, "api.forbidden", f"cannot take this from uid {peer.uid}: root alone may do it")


def _check_host(host: str) -> None:
    """A web page whose name was rebound to 127.0.0.1 still sends its own name here."""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.lower() not in _LOCAL_NAMES:
        raise _Refused(421, "api.host", f"cannot answer for host {host[:100]!r}: ask for localhost")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _Refused(413, "json.oversized", f"cannot take the body: more than {MAX_BYTES} bytes")
    return bytes(body)


def _response(answer: Answer, trust: Trust) -> Response:
    match answer:
        case dict():
            return _json(answer, 200)
        case (media_type, body):
            return Response(body, media_type=media_type, headers=HEADERS)
        case Live():
            return _stream(answer, trust.viewers, "text/event-stream")
        case _:
            return _stream(answer, trust.streams, "text/plain; charset=utf-8")


def _stream(lines: Iterator[str], streams: Streams, media_type: str) -> Response:
    if not streams.admit():
        close(lines)
        raise _Refused(503, "api.busy", "cannot follow: too many are followed already; end one")
    return StreamingResponse(streams.chunks(lines), media_type=media_type, headers=HEADERS)


def _json(body: dict[str, Any], status: int) -> Response:
    return JSONResponse(body, status, headers=HEADERS)


async def _no_route(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _json(answers.error("api.no_route", "cannot answer: there is no such path or method"), status)
