"""What does it mean that a registry said no, or nothing at all? One table, one sentence for each."""

from __future__ import annotations

import json
import re
import socket
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from edgetender.errors import AgentError, ImageMissing, RegistryDenied, RegistryUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from edgetender.model.image import Credential

_LONGEST_WAIT_S = 3600.0
_DEPTH = 12


def refused(
    what: str, status: int, *, code: str, credential: Credential | None, wait_s: float | None
) -> AgentError:
    """Return the error for an answer nobody wanted. *code* is the registry's own word for it, or empty."""
    said = f"cannot {what}: the registry answered {status}{f' ({code})' if code else ''}"
    match status:
        case 401 if credential is None:
            return RegistryDenied(f"{said} and no credential was given; name one for this registry")
        case 401 | 403 if credential is not None:
            right = "password right" if status == 401 else "user allowed to do this"  # noqa: PLR2004
            return RegistryDenied(f"{said} to user {credential.username!r}; is the {right}?")
        case 403:
            return RegistryDenied(f"{said}; name a credential that may do this")
        case 404 | 410:
            missing = "repository" if code == "NAME_UNKNOWN" else "image"
            return ImageMissing(f"{said}: it has no such {missing}; was it pushed there under this name?")
        case 429:
            return RegistryUnreachable(
                f"{said}: too many requests; it is asked again later", retry_after_s=wait_s, status=status
            )
        case _ if status >= 500:  # noqa: PLR2004
            return RegistryUnreachable(
                f"{said}: it is not well; it is asked again later", retry_after_s=wait_s, status=status
            )
        case _:
            return RegistryUnreachable(
                f"{said}, which no registry should; is it one?", retry_after_s=wait_s, status=status
            )


def error_code(body: bytes) -> str:
    """The registry's own word, like MANIFEST_UNKNOWN, or empty.

    Its free text is left out: a gateway's error page may repeat the request's headers.
    """
    try:
        code = json.loads(body)["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z_]{1,40}", code) else ""


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds to wait, from a Retry-After of seconds or of a date; at most an hour."""
    if not header:
        return None
    try:
        wait_s = float(int(header))
    except ValueError:
        try:
            wait_s = (parsedate_to_datetime(header) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait_s, 0.0), _LONGEST_WAIT_S)


def unreachable(what: str, error: BaseException) -> RegistryUnreachable:
    """Return the error for a connection that failed with *error*."""
    return RegistryUnreachable(f"cannot {what}: {_why(list(_causes(error)))}")


def _why(causes: list[BaseException]) -> str:  # noqa: C901  a table again
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError() if "valid" in cause.verify_message:
                return f"its certificate was refused: {cause.verify_message}; is this device's clock right?"
            case ssl.SSLCertVerificationError():
                why = cause.verify_message or "it is for another name"
                return (
                    f"its certificate was refused: {why}; is that of its authority given, and the right one?"
                    " (ca_file, --registry-ca, --ca)"
                )
            case ssl.SSLError() if cause.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
                return "it speaks no TLS; set plain_http for this registry if that is meant"
            case ssl.SSLError():
                return f"TLS failed: {cause.reason or 'it hung up'}; is a proxy in between?"
            case socket.gaierror():
                return "its name cannot be resolved; is the address right, and the network up?"
            case TimeoutError():
                return "it did not answer in time; is the network up?"
            case ConnectionRefusedError():
                return "connection refused; does the registry run, and is the port right?"
            case OSError() if cause.errno is not None and cause.strerror:
                return f"{cause.strerror.lower()}; is the network up?"
            case _:
                pass
    names = {type(cause).__name__ for cause in causes}
    if any("Timeout" in name for name in names):
        return "it did not answer in time; is the network up?"
    if "ProxyError" in names:
        return "the proxy let nothing through; are HTTPS_PROXY and NO_PROXY right?"
    return f"the connection broke ({type(causes[0]).__name__}); it is tried again later"


def _causes(error: BaseException | None, depth: int = 0) -> Iterator[BaseException]:
    """Yield *error* and everything it wraps; HTTP libraries hide the operating system's word deep inside."""
    if error is None or depth > _DEPTH:
        return
    yield error
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    for one in inner:
        if isinstance(one, BaseException):
            yield from _causes(one, depth + 1)
