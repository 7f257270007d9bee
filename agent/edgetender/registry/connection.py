"""How does one request reach a registry? Authorized, verified, and never telling a secret to anyone else."""

from __future__ import annotations

import json
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3.exceptions  # requests' own wire: its errors come out of a body read as it arrives
from requests.auth import AuthBase

from edgetender.errors import RegistryUnreachable
from edgetender.registry.auth import Authorizations
from edgetender.registry.refusal import error_code, refused, retry_after_s, unreachable

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
        self.host, self._credential, self._timeout_s = host, credential, timeout_s
        self._ca_file, self._plain_http, self._monotonic = ca_file, plain_http, monotonic
        self._root = f"{'http' if plain_http else 'https'}://{_HUB.get(host, host)}"
        self._session = requests.Session()
        self._session.trust_env = not direct
        self._authorizations = Authorizations(credential, self._token, monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

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
            sent = _Sending(method, url, headers or {}, body, _origin(self._root))
            response = self._send(sent, self._authorizations.held(scope), what)
            if response.status_code == _UNAUTHORIZED and _UNAUTHORIZED not in expect:
                asked = response.headers.get("WWW-Authenticate", "")
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

    def _send(self, sending: _Sending, authorization: Secret | None, what: str) -> requests.Response:
        url = sending.url
        for _ in range(_HOPS):
            origin = _origin(url)
            if origin[0] != "https" and not (self._plain_http and origin[0] == "http"):
                where = f"{origin[0]}://{origin[1]}"
                raise RegistryUnreachable(
                    f"cannot {what}: the registry sends it to {where}; set plain_http for it if that is meant"
                )
            response = self._session.request(
                sending.method,
                url,
                # identity: a blob's digest is that of the bytes as stored
                headers={"Accept-Encoding": "identity", "User-Agent": "edgetender", **sending.headers},
                data=sending.body() if sending.body is not None else None,
                auth=_Authorized(authorization if origin == sending.origin else None),
                verify=self._trusted(origin),
                allow_redirects=False,
                stream=True,
                timeout=self._timeout_s,
            )
            location = response.headers.get("Location")
            if (
                response.status_code not in _REDIRECTS
                or not location
                or sending.method not in {"GET", "HEAD"}
            ):
                return response
            response.close()
            url = urljoin(url, location)
        raise RegistryUnreachable(f"cannot {what}: more than {_HOPS} redirects; is the address right?")

    def _trusted(self, origin: tuple[str, str, int]) -> str | bool:
        """The authorities for *origin*: the registry's own file for itself, else this system's."""
        if self._ca_file is not None and origin[1] == _origin(self._root)[1]:
            return str(self._ca_file)
        system = ssl.get_default_verify_paths()
        return system.cafile or system.capath or True

    def _check(self, response: requests.Response, expect: frozenset[int], what: str) -> None:
        if response.status_code in expect:
            return
        body = b"" if response.request.method == "HEAD" else response.raw.read1(_CHUNK)
        wait_s = retry_after_s(response.headers.get("Retry-After"), datetime.now(UTC))
        status = response.status_code
        raise refused(what, status, code=error_code(body), credential=self._credential, wait_s=wait_s)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except requests.RequestException as error:
            error.request = error.response = None  # they hold the Authorization header
            raise unreachable(what, error) from error
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(what, error) from error
        except OSError as error:  # requests, on a ca_file that is not there
            raise RegistryUnreachable(
                f"cannot {what}: {error.strerror or error}; is ca_file readable?"
            ) from error
        except ValueError as error:  # a URL or a document from the far side that is none
            raise RegistryUnreachable(f"cannot {what}: {error}; is it a registry?") from error


@dataclass(frozen=True, slots=True)
class _Sending:
    method: str
    url: str
    headers: dict[str, str]
    body: Callable[[], Any] | None
    origin: tuple[str, str, int]  # who may see the authorization


@dataclass(frozen=True, slots=True)
class Answer:
    """A registry's answer, its body still on the wire."""

    _response: requests.Response
    _what: str
    _monotonic: Callable[[], float]

    @property
    def status(self) -> int:
        return self._response.status_code

    def header(self, name: str) -> str:
        return self._response.headers.get(name, "")

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes; a body shorter than announced raises."""
        announced = int(self.header("Content-Length") or -1)
        received = 0
        # read1: what is there now; a read of a whole chunk would outwait every deadline on a slow drip
        while chunk := self._response.raw.read1(_CHUNK, decode_content=True):
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


class _Authorized(AuthBase):
    """Given even when it is empty: requests would else look into ~/.netrc for a password of its own."""

    def __init__(self, header: Secret | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header is not None:
            request.headers["Authorization"] = self._header.reveal()
        return request


def _token_request(realm: str, query: dict[str, str | list[str]], credential: Credential | None) -> _Sending:
    """By name and password, distribution's token specification; by an identity token, its OAuth2 form."""
    if credential is None or not credential.is_identity:
        url = requests.Request("GET", realm, params=query).prepare().url or realm
        return _Sending("GET", url, {}, None, _origin(url))
    form = {name: value if isinstance(value, str) else " ".join(value) for name, value in query.items()}
    form |= {"grant_type": "refresh_token", "client_id": "edgetender"}
    body = urlencode(form | {"refresh_token": credential.password.reveal()}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _Sending("POST", realm, headers, lambda: body, _origin(realm))


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host, port: who hears a request. Raises ValueError."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )
