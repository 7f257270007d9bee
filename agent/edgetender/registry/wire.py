"""One HTTP exchange with a registry: bounded in time and size, and quiet about what it carries.

The library's exceptions hold the request, and with it the credential, and print URLs, and with them signatures
of object stores; so none of them leaves this file, neither as a text nor as a cause.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from edgetender import __version__
from edgetender.errors import RegistryUnreachable

CONNECT_TIMEOUT_S = 3.05  # just above TCP's first retransmission
SMALL = 4 * 1024 * 1024  # the specification's bound for a manifest
_CHUNK = 256 * 1024
_WINDOW_S, _WINDOW_BYTES = 60.0, 60 * 8 * 1024  # slower than 8 KiB/s over a minute is a stall


class Upload:
    """*size* bytes of a file as a request's body; a new one for each try."""

    def __init__(self, stream: BinaryIO, size: int, progress: Progress) -> None:
        self._stream, self._size, self._progress = stream, size, progress

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        while chunk := self._stream.read(_CHUNK):
            yield chunk
            sent += len(chunk)
            self._progress(sent)


class Progress:
    """Told the bytes so far; this one keeps them to itself."""

    def __call__(self, done_bytes: int) -> None: ...


class Wire:
    """Sends requests and reads answers. One thread at a time."""

    def __init__(self, *, ca_file: Path | None, timeout_s: float) -> None:
        self._session = requests.Session()
        # without an `auth` of its own requests would take one from ~/.netrc
        self._session.auth = lambda request: request
        self._session.headers.clear()
        self._session.headers.update(
            {"User-Agent": f"edgetender/{__version__}", "Accept-Encoding": "identity"}
        )
        self._ca_file, self._timeout_s = ca_file, timeout_s

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Upload | None, *, to: str
    ) -> requests.Response:
        """Return the answer, its body unread; follow no redirection. Raises RegistryUnreachable."""
        try:
            return self._session.request(
                method,
                url,
                headers=dict(headers),
                data=body,  # type: ignore[arg-type]  # an iterable with a length: sent with Content-Length
                timeout=(min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s),
                verify=str(self._ca_file) if self._ca_file else True,
                allow_redirects=False,
                stream=True,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            why = self._why(error)
        raise RegistryUnreachable(f"cannot {to}: {urlsplit(url).netloc}: {why}")

    def pieces(self, response: requests.Response, *, limit: int, to: str) -> Iterator[bytes]:
        """Yield the body as it was sent. Raises RegistryUnreachable: broken off, too slow, longer than *limit*."""
        done, since, mark = 0, time.monotonic(), 0
        expected = response.headers.get("Content-Length", "")
        where = urlsplit(response.url).netloc
        while True:
            try:
                piece = response.raw.read1(_CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                why = self._why(error)
                break
            if not piece:
                if expected.isdigit() and done < int(expected):
                    why = f"the answer broke off after {done} of {expected} bytes"
                    break
                return
            done += len(piece)
            if done > limit:
                why = f"the answer is longer than the {limit} bytes announced"
                break
            yield piece
            if (now := time.monotonic()) - since >= _WINDOW_S:
                if done - mark < _WINDOW_BYTES:
                    why = f"slower than 8 KiB/s for {_WINDOW_S:g} s"
                    break
                since, mark = now, done
        raise RegistryUnreachable(f"cannot {to}: {where}: {why}")

    def read(self, response: requests.Response, *, to: str, limit: int = SMALL) -> bytes:
        """Return the whole body. Raises RegistryUnreachable."""
        return b"".join(self.pieces(response, limit=limit, to=to))

    def close(self) -> None:
        self._session.close()

    def _why(self, error: BaseException) -> str:
        found = tuple(_chain(error))
        for one in found:
            match one:
                case ssl.SSLCertVerificationError():
                    return f"its certificate is not trusted ({one.verify_message}); is ca_file right?"
                case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "RECORD_LAYER_FAILURE"):
                    return "it does not speak TLS; plain http must be allowed for it by name"
                case ssl.SSLError():
                    return f"TLS failed ({one.reason or type(one).__name__})"
                case socket.gaierror() | urllib3.exceptions.NameResolutionError():
                    return "its name is not known to the name service"
                case ConnectionRefusedError():
                    return "connection refused"
                case FileNotFoundError() | PermissionError() if self._ca_file:
                    return f"cannot read ca_file {self._ca_file}"
                case requests.exceptions.ProxyError():
                    return "the proxy does not answer"
        if self._ca_file and not self._ca_file.is_file():
            return f"cannot read ca_file {self._ca_file}"
        timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
        if any(isinstance(one, timeouts) for one in found):
            return f"no answer within {self._timeout_s:g} s"
        return f"the connection failed ({type(found[-1]).__name__})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """*error* and what it wraps, by whichever of the ways libraries wrap."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "reason", None), *one.args, one.__cause__, one.__context__]
