"""What does a registry's 401 ask for, and what answers it? Basic, or a Bearer token good for a while."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgetender.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from edgetender.model.image import Credential

# RFC 9110, 11.6.1: a scheme, or one name=value of the scheme before it
_PART = re.compile(r'[\s,]*([!#$%&\'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?', re.ASCII)
_DEFAULT_LIFE_S = 60.0  # distribution's token specification: what holds when expires_in is not said
_MARGIN_S = 10.0  # a token must outlive the request it is sent with


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme of a WWW-Authenticate header, in lower case, with its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Return what *header* asks for, in its order; what cannot be read ends the list."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _PART.match(header, position):
        position = match.end()
        name, quoted, plain = match.groups()
        if quoted is None and plain is None:
            found.append((name.lower(), {}))
        elif found:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1][1].setdefault(name.lower(), value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


@dataclass(frozen=True, slots=True)
class _Issued:
    header: Secret
    until: float


class Authorizations:
    """The Authorization values one registry accepts, per scope, until they expire.

    *fetch(realm, query)* asks a token server and returns its answer; *monotonic* counts seconds.
    Not for several threads at once.
    """

    def __init__(
        self,
        credential: Credential | None,
        fetch: Callable[[str, dict[str, str | list[str]]], Mapping[str, Any]],
        monotonic: Callable[[], float],
    ) -> None:
        self._credential, self._fetch, self._monotonic = credential, fetch, monotonic
        self._basic: Secret | None = None
        self._tokens: dict[str, _Issued] = {}

    def held(self, scope: str) -> Secret | None:
        """Return what was accepted for *scope* before and is still good."""
        issued = self._tokens.get(scope)
        if issued is not None and self._monotonic() < issued.until:
            return issued.header
        return self._basic

    def answer(self, header: str, scope: str) -> Secret | None:
        """Return a fresh answer to a 401 with this WWW-Authenticate *header*; None when there is none.

        Raises what *fetch* raises, and ValueError for a token server's answer without a token.
        """
        challenges = {challenge.scheme: challenge.parameters for challenge in parse_challenges(header)}
        if realm := challenges.get("bearer", {}).get("realm"):
            self._tokens[scope] = self._issue(realm, challenges["bearer"], scope)
            return self._tokens[scope].header
        known = self._credential if self._basic is None else None
        if "basic" in challenges and known is not None and not known.is_identity:
            self._basic = known.basic()
            return self._basic
        return None

    def _issue(self, realm: str, parameters: Mapping[str, str], scope: str) -> _Issued:
        scopes = (scope or parameters.get("scope", "")).split()  # each is a parameter of its own
        query: dict[str, str | list[str]] = {"service": parameters.get("service", ""), "scope": scopes}
        answer = self._fetch(realm, {name: value for name, value in query.items() if value})
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ValueError("the token server's answer holds no token")
        life = answer.get("expires_in")
        life_s = float(life) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFE_S
        return _Issued(Secret(f"Bearer {token}"), self._monotonic() + life_s - min(_MARGIN_S, life_s / 2))
