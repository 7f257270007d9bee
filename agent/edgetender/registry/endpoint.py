"""What does an address answer that issues tokens? One request to it, and one sentence for each way it goes wrong."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from edgetender.errors import RegistryDenied, RegistryUnreachable
from edgetender.registry.connection import Connection
from edgetender.registry.images import RegistrySettings
from edgetender.registry.refusal import retry_after_s
from edgetender.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgetender.errors import AgentError

ANY = frozenset(range(200, 600))
_AGAIN = frozenset({408, 425, 429})
_STARTING = frozenset({404, 410})  # what a metadata service says while it is not ready


@dataclass(frozen=True, slots=True)
class Reply:
    """What came: a JSON object, empty where it was none; *challenge* is a 401's WWW-Authenticate."""

    status: int
    document: Mapping[str, Any]
    challenge: str
    wait_s: float | None


class Endpoint:
    """Asked once for each call; *what* begins what is said when it fails: `get a token for HOST`. Threads: any.

    Certificates are verified by the authority of the *settings* for its host, else by the system's; *local*: it is
    this machine's own, which has no TLS, and which no proxy is to hear of.
    """

    def __init__(
        self,
        url: str,
        what: str,
        settings: Mapping[str, RegistrySettings],
        *,
        timeout_s: float,
        local: bool = False,
    ) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._what, self._timeout_s, self._local = f"{what} from {self.host}", timeout_s, local
        self._ca_file = settings.get(self.host, RegistrySettings()).ca_file

    def post(self, form: Mapping[str, str | Secret], authorization: Secret | None = None) -> Reply:
        """Raises RegistryUnreachable, where nothing came."""
        spelled = {key: v.reveal() if isinstance(v, Secret) else v for key, v in form.items()}
        body = urlencode({key: value for key, value in spelled.items() if value}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._ask("POST", headers, body, authorization)

    def get(self, headers: Mapping[str, str], authorization: Secret | None = None) -> Reply:
        """Raises RegistryUnreachable, where nothing came."""
        return self._ask("GET", headers, None, authorization)

    def token(self, reply: Reply, key: str, repair: str) -> Secret:
        """What *reply* has at *key*. Raises RegistryDenied, with *repair*; RegistryUnreachable."""
        if reply.status != 200:  # noqa: PLR2004
            raise self._refused(reply, repair)
        token = reply.document.get(key)
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise RegistryUnreachable(
                f"cannot {self._what}: its answer holds no {key}; is it the right address?"
            )
        return Secret(token)

    def _refused(self, reply: Reply, repair: str) -> AgentError:
        code = _code(reply.document)
        said = f"cannot {self._what}: it answered {reply.status}{f' ({code})' if code else ''}"
        again = _AGAIN | _STARTING if self._local else _AGAIN
        if reply.status >= 500 or reply.status in again or reply.status < 400:  # noqa: PLR2004
            wait_s, status = reply.wait_s, reply.status
            return RegistryUnreachable(
                f"{said}; it is asked again later", retry_after_s=wait_s, status=status
            )
        return RegistryDenied(f"{said}; {repair}")

    def _ask(
        self, method: str, headers: Mapping[str, str], body: bytes | None, authorization: Secret | None
    ) -> Reply:
        shown = {"Authorization": authorization.reveal()} if authorization else {}
        with (
            Connection(
                self.host,
                ca_file=self._ca_file,
                plain_http=self._local,
                timeout_s=self._timeout_s,
                direct=self._local,
            ) as connection,
            connection.request(
                method,
                self._target,
                what=self._what,
                scope="",
                expect=ANY,
                headers={**headers, **shown},
                body=None if body is None else lambda: body,
            ) as answer,
        ):
            try:
                document = json.loads(answer.document())
            except (ValueError, RecursionError):
                document = None  # an error page of something in between
            wait_s = retry_after_s(answer.header("Retry-After") or None, datetime.now(UTC))
            known = document if isinstance(document, dict) else {}
            return Reply(answer.status, known, answer.header("WWW-Authenticate"), wait_s)


def _code(document: Mapping[str, Any]) -> str:
    """The far side's own words that are no free text: `invalid_client, AADSTS7000215`."""
    errors = document.get("errors")  # a registry's
    inner = (
        errors[0].get("code") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    )
    words = [
        one
        for one in (document.get("error"), inner)
        if isinstance(one, str) and re.fullmatch(r"[A-Za-z_]{1,40}", one)
    ]
    numbers = document.get("error_codes")  # Entra's
    if isinstance(numbers, list) and numbers and isinstance(numbers[0], int):
        words.append(f"AADSTS{numbers[0]}")
    return ", ".join(words)
