"""Who issues what a registry takes for a while? Entra ID and the registry itself, an OAuth2 server, or a program."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from edgetender.model.access import ACR_USER, Access, AzureAccess, ClientSecret, HelperAccess, OAuth2Access
from edgetender.model.image import Credential
from edgetender.registry.endpoint import Endpoint, Reply
from edgetender.registry.login_program import ask_helper
from edgetender.registry.managed_identity import IMDS, KEYS, managed_token
from edgetender.registry.short_lived import Issued
from edgetender.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edgetender.registry.images import RegistrySettings

_LIFE_S = 300.0  # what holds where nothing is said of it


class Issuers:
    """Asks whom an access names. *settings* say by which authority a host is verified. Threads: any.

    *environ* tells of Azure Arc's agent, which keeps its *keys* for who may have a token; *imds* is where the
    machines of Azure ask.
    """

    def __init__(
        self,
        settings: Mapping[str, RegistrySettings],
        *,
        environ: Mapping[str, str] = os.environ,
        imds: str = IMDS,
        keys: Path = KEYS,
        helpers: tuple[str, ...] | None = None,
        timeout_s: float = 10,
    ) -> None:
        """*helpers*: where the programs lie, if not where programs do."""
        self._settings, self._timeout_s = dict(settings), timeout_s
        self._environ, self._imds, self._keys, self._helpers = environ, imds, keys, helpers

    def __call__(self, access: Access, registry: str, name: str) -> Issued:
        """Raises RegistryDenied, RegistryUnreachable, CredentialUnusable."""
        match access:
            case HelperAccess():
                username, password = ask_helper(access.helper, registry, self._helpers)
                return Issued(Credential(username, password, name), 0.0)
            case OAuth2Access():
                token, reply = self._by_secret(access.client, registry, name)
                return Issued(Credential(access.username, token, name), _life_s(reply.document, _LIFE_S))
            case AzureAccess():
                return self._azure(access, registry, name)

    def _by_secret(self, client: ClientSecret, registry: str, name: str) -> tuple[Secret, Reply]:
        endpoint = self._endpoint(client.token_url, f"get a token for {registry}")
        grant = {"grant_type": "client_credentials", "scope": client.scope}
        who: dict[str, str | Secret] = {"client_id": client.client_id, "client_secret": client.client_secret}
        reply = endpoint.post(grant | who)
        if reply.status == 401:  # noqa: PLR2004  # RFC 6749, 2.3.1: each must take the header, and the form it may
            again = endpoint.post(grant, _in_header(client))
            reply = again if again.status == 200 else reply  # noqa: PLR2004  # the first said why
        repair = f"is what the credential {name!r} says right, and its client_secret not expired?"
        return endpoint.token(reply, "access_token", repair), reply

    def _azure(self, access: AzureAccess, registry: str, name: str) -> Issued:
        """As Azure/acr's docs/AAD-OAuth.md has it; the registry's token server takes the refresh token then."""
        if isinstance(access.identity, ClientSecret):
            token, _ = self._by_secret(access.identity, registry, name)
        else:
            token = managed_token(
                access.identity,
                access.audience,
                what=f"get a token for {registry}",
                environ=self._environ,
                imds=self._imds,
                keys=self._keys,
                timeout_s=self._timeout_s,
            )
        endpoint = self._endpoint(f"https://{registry}/oauth2/exchange", "exchange a token")
        form = {"grant_type": "access_token", "service": registry, "tenant": access.tenant}
        reply = endpoint.post(form | {"access_token": token})
        repair = f"may the identity of the credential {name!r} pull there (AcrPull)?"
        refresh = endpoint.token(reply, "refresh_token", repair)
        return Issued(Credential(ACR_USER, refresh, name), _life_s(_claims(refresh), _LIFE_S))

    def _endpoint(self, url: str, what: str) -> Endpoint:
        return Endpoint(url, what, self._settings, timeout_s=self._timeout_s)


def _in_header(client: ClientSecret) -> Secret:
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret.reveal())}"
    return Secret("Basic " + base64.b64encode(pair.encode()).decode())


def _claims(token: Secret) -> Mapping[str, Any]:
    """Of a JSON Web Token, unverified: it is for somebody else, and only its end is of interest."""
    try:
        _, body, _ = token.reveal().split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _life_s(said: Mapping[str, Any], unsaid_s: float) -> float:
    """From `expires_in`, which some spell as text, or from its own begin to its own end: clocks may differ."""
    try:
        life_s = (
            float(said["expires_in"]) if "expires_in" in said else float(said["exp"]) - float(said["iat"])
        )
    except (KeyError, TypeError, ValueError):
        return unsaid_s
    return life_s if 0 < life_s < 7 * 86400 else unsaid_s
