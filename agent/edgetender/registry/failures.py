"""What does a registry's answer mean for us? One table from HTTP status to the class of the reaction.

Words of the far side never enter a message but for the error codes of the specification: a hostile or broken
registry may echo what it was sent, and that holds the credential.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from edgetender.errors import AgentError, ImageMissing, Permanent, RegistryDenied, RegistryUnreachable
from edgetender.model.image import Credential

# OCI distribution-spec 1.1, "Error Codes", and those docker-registry 2.8 has beyond it.
_CODES = frozenset(
    [
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "MANIFEST_UNVERIFIED",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "RANGE_INVALID",
        "SIZE_INVALID",
        "TAG_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
        "UNAVAILABLE",
        "UNKNOWN",
    ]
)
_LATER = frozenset({408, 425, 429})


def refusal(
    status: int, body: bytes, headers: Mapping[str, str], *, to: str, host: str, credential: Credential | None
) -> AgentError:
    """Return the error for an answer that is no success; *to* says what we wanted (`resolve line/scorer:1`)."""
    code = error_code(body)
    said = f"cannot {to}: {host} answered {status}" + (f" ({code})" if code else "")
    match status:
        case 401 | 403:
            return RegistryDenied(f"{said}; {_denied_hint(credential, status)}")
        case 404 | 410:
            return ImageMissing(f"{said}; is the name right, and has it been pushed?")
        case _ if status in _LATER or status >= 500:
            return RegistryUnreachable(f"{said}; it is tried again", retry_after_s=retry_after_s(headers))
        case _ if 300 <= status < 400:
            return RegistryUnreachable(f"{said}, a redirection that is not followed")
        case _:
            return Permanent(f"{said}; does {host} speak the OCI distribution protocol?")


def _denied_hint(credential: Credential | None, status: int) -> str:
    if credential is None:
        return "it asks for a credential and none is named for it"
    named = f"credential `{credential.name}`" if credential.name else f"password of `{credential.username}`"
    return f"is the {named} right" + ("?" if status == 401 else ", and may it do this?")


def error_code(body: bytes) -> str:
    """The specification's error code in *body*, or nothing."""
    try:
        code = json.loads(body)["errors"][0]["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return code if isinstance(code, str) and code in _CODES else ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the far side asks us to wait: a number, or a date measured against its own `Date`."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        pause = parsedate_to_datetime(value) - parsedate_to_datetime(headers["Date"])
    except (ValueError, KeyError, TypeError):
        return None
    return max(0.0, pause.total_seconds())
