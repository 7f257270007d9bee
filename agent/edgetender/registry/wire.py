"""How does one HTTP request get to an origin, and its answer back? By `http.client`, over connections that are kept.

A library for this would weigh as much as all that decides what runs here: ADR 20. What such a library would do unasked
(follow a redirect, look for a password, guess a text's encoding) must not happen here anyway.
"""

from __future__ import annotations

import contextlib
import logging
import select
import ssl
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, RemoteDisconnected
from ipaddress import ip_address, ip_network
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from edgetender.model.image import Credential
from edgetender.secret import Secret

log = logging.getLogger(__name__)

Origin = tuple[str, str, int]  # scheme, host, port: who hears a request
_AS_WRITTEN = "!#$%&'()*+,/:;=?@[]~"
_BLOCK = 256 * 1024


class ProxyError(OSError):
    """The proxy that the environment names let nothing through."""


def origin(url: str) -> Origin:
    """Who hears a request to *url*. Raises ValueError."""
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


class Wire:
    """Connections to origins, one to each, kept while answers are read to their end. Not for several threads at once.

    *trusted* says whom to trust for TLS, once for each origin. *direct*: past any proxy of the environment.
    """

    def __init__(
        self, trusted: Callable[[Origin], ssl.SSLContext], timeout_s: float, *, direct: bool
    ) -> None:
        self._trusted, self._timeout_s, self._direct = trusted, timeout_s, direct
        self._kept: dict[Origin, HTTPConnection] = {}

    def close(self) -> None:
        for connection in self._kept.values():
            connection.close()
        self._kept.clear()

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Callable[[], Any] | None
    ) -> Exchange:
        """Send one request; *body* makes what has a length and can be read. Redirects are answers like others.

        Raises OSError, HTTPException, ValueError.
        """
        to = origin(url)
        kept = self._kept.pop(to, None)
        if kept is not None and not _is_silent(kept):
            kept.close()
            kept = None
        if kept is not None:
            with contextlib.suppress(RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                return self._sent(kept, to, method, url, headers, body)  # it may go just now
        return self._sent(self._opened(to), to, method, url, headers, body)

    def _sent(
        self,
        connection: HTTPConnection,
        to: Origin,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Callable[[], Any] | None,
    ) -> Exchange:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = body() if body is not None else None
        length = {"Content-Length": str(len(sent))} if sent is not None else {}
        proxied = self._proxy(to) if to[0] == "http" else None
        target, more = (url, _authorization(proxied)) if proxied else (path, {})
        try:
            with contextlib.suppress(BrokenPipeError):  # who refuses a long body says why, and hangs up
                connection.request(method, quote(target, _AS_WRITTEN), sent, {**headers, **length, **more})
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        log.debug("%s %s:%d%s: %d", method, *to[1:], parts.path, answer.status)  # queries tell secrets
        return Exchange(self, to, connection, answer)

    def keep(self, to: Origin, connection: HTTPConnection) -> None:
        """Use *connection* again: its answer was read to the end."""
        self._kept[to] = connection

    def _opened(self, to: Origin) -> HTTPConnection:
        scheme, host, port = to
        proxy = self._proxy(to)
        at = urlsplit(proxy) if proxy else None
        place = (at.hostname or "", at.port or 80) if at else (host, port)
        if scheme != "https":
            return HTTPConnection(*place, timeout=self._timeout_s, blocksize=_BLOCK)
        context = self._trusted(to)
        connection = HTTPSConnection(*place, timeout=self._timeout_s, context=context, blocksize=_BLOCK)
        if proxy:
            connection.set_tunnel(host, port, _authorization(proxy))
            _tunnelled(connection)
        return connection

    def _proxy(self, to: Origin) -> str | None:
        return None if self._direct else proxy_of(to)


def proxy_of(to: Origin) -> str | None:
    """The URL of the proxy that the environment names for *to*. Raises ProxyError for one of another kind."""
    scheme, host, port = to
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(f"{host}:{port}") or _in_a_network(host, proxies.get("no", "")):
        return None
    if "://" in proxy and not proxy.startswith("http://"):
        raise ProxyError(f"{proxy.partition('://')[0]} is no way to speak to a proxy here; http is")
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_a_network(host: str, excepted: str) -> bool:
    """Whether *host* is an address in one of the networks that NO_PROXY names (10.0.0.0/8), as others read it, too."""
    with contextlib.suppress(ValueError):
        address = ip_address(host)
        for name in excepted.split(","):
            with contextlib.suppress(ValueError):
                if address in ip_network(name.strip(), strict=False):
                    return True
    return False


class Exchange:
    """An answer, its body still on the wire. Close it, or use it with `with`."""

    def __init__(self, wire: Wire, to: Origin, connection: HTTPConnection, answer: HTTPResponse) -> None:
        self._wire, self._to, self._connection, self._answer = wire, to, connection, answer
        self.status = answer.status
        self._left = answer.length  # counted here: not every http.client does where it reads what is there
        self._whole = self._left == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def header(self, name: str) -> str:
        return self._answer.headers.get(name, "")

    def read(self, size: int) -> bytes:
        """What is there now, *size* bytes at most; empty at the end."""
        if self._whole:
            return b""
        piece = self._answer.read1(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left -= len(piece)
        self._whole = self._left == 0 if self._left is not None else not piece
        return piece

    def close(self) -> None:
        """Keep the connection where the answer was read to its end, else end it."""
        self._answer.close()
        if self._whole and not self._answer.will_close:
            self._wire.keep(self._to, self._connection)
        else:
            self._connection.close()


def _is_silent(connection: HTTPConnection) -> bool:
    """Whether nothing came on a connection that waits; an end is something."""
    if connection.sock is None:
        return False
    heard = select.poll()
    heard.register(connection.sock, select.POLLIN)
    return not heard.poll(0)


def _authorization(proxy: str) -> dict[str, str]:
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    user = Credential(unquote(parts.username), Secret(unquote(parts.password or "")))
    return {"Proxy-Authorization": user.basic().reveal()}


def _tunnelled(connection: HTTPSConnection) -> None:
    try:
        connection.connect()
    except ssl.SSLError:
        raise
    except OSError as error:
        raise ProxyError(str(error)) from error
