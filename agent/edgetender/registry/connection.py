"""How does one request reach a registry? Authorized, verified, and never telling a secret to anyone else."""

from __future__ import annotations

import json
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urljoin

from edgetender.errors import RegistryUnreachable
from edgetender.registry.auth import Authorizations
from edgetender.registry.refusal import error_code, refused, retry_after_s, unreachable
from edgetender.registry.wire import Exchange, Origin, Wire, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgetender.model.image import Credential
    from edgetender.secret import Secret

_HUB = {"docker.io": "registry-1.docker.io"}  # the name people write, and where its API answers
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 5
_DOCUMENT_BYTES = 4 * 1024 * 1024  # OCI distribution-spec: what a registry must take for a manifest
_DOCUMENT_S = 60.0  # a slow drip is no answer
_CHUNK = 256 * 1024
_UNAUTHORIZED = 401


class Connection:
    """Requests to one registry, one try each. Not for several threads at once.

    The credential goes to the registry's own scheme, host and port, and to the token server that it names;
    never along a redirect. Plain http happens only when *plain_http* was asked for.
    """

    def __init__(
        self,
        host: str,
        *,
        credential: Credential | None = None,
        ca_file: Path | None = None,
        plain_http: bool = False,
        timeout_s: float = 10,
        direct: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """*direct*: past any proxy that the environment names."""
        self.host, self._credential = host, credential
        self._ca_file, self._plain_http, self._monotonic = ca_file, plain_http, monotonic
        self._root = f"{'http' if plain_http else 'https'}://{_HUB.get(host, host)}"
        self._wire = Wire(self._trusted, timeout_s, direct=direct)
        self._authorizations = Authorizations(credential, self._token, monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    @contextmanager
    def request(
        self,
        method: str,
        target: str,
        *,
        what: str,
        scope: str,
        expect: frozenset[int] = frozenset({200}),
        headers: dict[str, str] | None = None,
        body: Callable[[], Any] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answer, its body unread. *target* is a path of this registry or a URL it gave.

        *body* is called for each sending, since a 401 that is not expected makes it two. Raises RegistryDenied,
        ImageMissing, RegistryUnreachable, each saying `cannot {what}: …`; also for what goes wrong inside the block.
        """
        with self._told(what):
            url = urljoin(self._root, target)
            sent = _Sending(method, url, headers or {}, body, origin(self._root))
            response = self._send(sent, self._authorizations.held(scope), what)
            if response.status == _UNAUTHORIZED and _UNAUTHORIZED not in expect:
                asked = response.header("WWW-Authenticate")
                answer = self._authorizations.answer(asked, scope)
                if answer is not None:
                    response.close()
                    response = self._send(sent, answer, what)
            with response:
                self._check(response, expect, what)
                yield Answer(response, what, self._monotonic)

    def _token(self, realm: str, query: dict[str, str | list[str]]) -> dict[str, Any]:
        what = f"get a token for {self.host}"
        sending, known = _token_request(realm, query, self._credential), self._credential
        answer = known.basic() if known is not None and not known.is_identity else None
        with self._told(what), self._send(sending, answer, what) as response:
            self._check(response, frozenset({200}), what)
            document = json.loads(Answer(response, what, self._monotonic).document())
            return document if isinstance(document, dict) else {}

    def _send(self, sending: _Sending, authorization: Secret | None, what: str) -> Exchange:
        url = sending.url
        for _ in range(_HOPS):
            to = origin(url)
            if to[0] != "https" and not (self._plain_http and to[0] == "http"):
                where = f"{to[0]}://{to[1]}"
                raise RegistryUnreachable(
                    f"cannot {what}: the registry sends it to {where}; set plain_http for it if that is meant"
                )
            # identity: a blob's digest is that of the bytes as stored
            headers = {"Accept-Encoding": "identity", "User-Agent": "edgetender", **sending.headers}
            if authorization is not None and to == sending.origin:
                headers["Authorization"] = authorization.reveal()
            response = self._wire.send(sending.method, url, headers, sending.body)
            location = response.header("Location")
            if response.status not in _REDIRECTS or not location or sending.method not in {"GET", "HEAD"}:
                return response
            response.close()
            url = urljoin(url, location)
        raise RegistryUnreachable(f"cannot {what}: more than {_HOPS} redirects; is the address right?")

    def _trusted(self, to: Origin) -> ssl.SSLContext:
        """The authorities for *to*: the registry's own file for itself, else this system's."""
        own = self._ca_file if to[1] == origin(self._root)[1] else None
        try:
            context = ssl.create_default_context(cafile=own)
        except ssl.SSLError:
            raise
        except OSError as error:
            raise _Unreadable(error.strerror or str(error)) from error
        # an authority of one's own is seldom made by the letter of RFC 5280; Python 3.13 asks for that by itself
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        return context

    def _check(self, response: Exchange, expect: frozenset[int], what: str) -> None:
        if response.status in expect:
            return
        body = response.read(_CHUNK)
        wait_s = retry_after_s(response.header("Retry-After"), datetime.now(UTC))
        raise refused(
            what, response.status, code=error_code(body), credential=self._credential, wait_s=wait_s
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException) as error:
            raise unreachable(what, error) from error
        except _Unreadable as error:
            raise RegistryUnreachable(f"cannot {what}: {error}; is ca_file readable?") from error
        except ValueError as error:  # a URL or a document from the far side that is none
            raise RegistryUnreachable(f"cannot {what}: {error}; is it a registry?") from error


@dataclass(frozen=True, slots=True)
class _Sending:
    method: str
    url: str
    headers: dict[str, str]
    body: Callable[[], Any] | None
    origin: Origin  # who may see the authorization


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer, its body still on the wire."""

    _response: Exchange
    _what: str
    _monotonic: Callable[[], float]

    @property
    def status(self) -> int:
        return self._response.status

    def header(self, name: str) -> str:
        return self._response.header(name)

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes; a body shorter than announced raises."""
        announced = int(self.header("Content-Length") or -1)
        received = 0
        # what is there now: a read of a whole chunk would outwait every deadline on a slow drip
        while chunk := self._response.read(_CHUNK):
            received += len(chunk)
            yield chunk
        if 0 <= received < announced:
            raise RegistryUnreachable(
                f"cannot {self._what}: the answer ended after {received} of {announced} bytes"
            )

    def document(self) -> bytes:
        """Return the whole body, at most 4 MiB that come within a minute. Raises RegistryUnreachable."""
        until = self._monotonic() + _DOCUMENT_S
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > _DOCUMENT_BYTES or self._monotonic() > until:
                raise RegistryUnreachable(
                    f"cannot {self._what}: the answer is too long or too slow; is it a registry?"
                )
        return bytes(body)


class _Unreadable(Exception):
    """The file of authorities cannot be read."""


def _token_request(realm: str, query: dict[str, str | list[str]], credential: Credential | None) -> _Sending:
    """By name and password, distribution's token specification; by an identity token, its OAuth2 form."""
    if credential is None or not credential.is_identity:
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query, doseq=True)}" if query else realm
        return _Sending("GET", url, {}, None, origin(url))
    form = {name: value if isinstance(value, str) else " ".join(value) for name, value in query.items()}
    form |= {"grant_type": "refresh_token", "client_id": "edgetender"}
    body = urlencode(form | {"refresh_token": credential.password.reveal()}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _Sending("POST", realm, headers, lambda: body, origin(realm))
