"""How does one come by what a registry asks for, where that is no password? By an identity, or from a program.

What a credential file may say instead of a user and a password:

    {"kind": "acr", "tenant": …, "client_id": …, "client_secret": …}      Azure Container Registry, service principal
    {"kind": "acr", "identity": "managed"[, "client_id": …]}              the same, the device's managed identity
    {"kind": "oauth2", "token_url": …, "client_id": …, "client_secret": …[, "scope": …]}
    {"kind": "helper", "helper": "ecr-login"}                             a credential helper of Docker's

each with `"registry": "host[:port]"` where it shall serve that one alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edgetender.secret import Secret

ENTRA = "https://login.microsoftonline.com"
ACR_AUDIENCE = (
    "https://containerregistry.azure.net"  # serves registries that take no token of Resource Manager's
)
OAUTH2_USER = "oauth2accesstoken"  # Google's word; several take any
ACR_USER = "00000000-0000-0000-0000-000000000000"  # says that the password is a refresh token
# the registries of Azure's clouds, with their data endpoints' and domain name labels' forms
_ACR_HOST = re.compile(r"[a-z0-9][a-z0-9.-]*\.azurecr\.(io|cn|us|de)")
_HELPER = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """OAuth2's client credentials grant (RFC 6749, 4.4): *token_url* gives a token for *scope*."""

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """What Azure, or Azure Arc's agent, says this machine is; *client_id* where it is several."""

    client_id: str = ""


@dataclass(frozen=True, slots=True)
class AzureAccess:
    """A token of Entra ID's for *audience*, exchanged at the registry itself for one of its own."""

    identity: ClientSecret | ManagedIdentity
    tenant: str = ""
    audience: str = ACR_AUDIENCE
    registry: str = ""

    def serves(self, registry: str) -> bool:
        """Whether *registry* may see the token: a manifest could name any."""
        return registry == self.registry if self.registry else bool(_ACR_HOST.fullmatch(registry))


@dataclass(frozen=True, slots=True)
class OAuth2Access:
    """The token is the password of *username*."""

    client: ClientSecret
    username: str = OAUTH2_USER
    registry: str = ""

    def serves(self, registry: str) -> bool:
        return self.registry in ("", registry)


@dataclass(frozen=True, slots=True)
class HelperAccess:
    """The program docker-credential-*helper*."""

    helper: str
    registry: str = ""

    def serves(self, registry: str) -> bool:
        return self.registry in ("", registry)


Access = AzureAccess | OAuth2Access | HelperAccess


def access_of(document: Mapping[str, Any]) -> Access:
    """Raises ValueError saying what is wrong, with no value of the document in it."""
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"its kind is none of {', '.join(_KINDS)}")
    managed = kind == "acr" and "identity" in document
    required, optional = _MANAGED if managed else _KINDS[kind]
    if missing := [key for key in required if key not in document]:
        raise ValueError(f"{kind} needs {', '.join(missing)} too")
    if unknown := len(document.keys() - {"kind", "registry", *required, *optional}):
        raise ValueError(f"{kind} has {unknown} key{'s' * (unknown > 1)} too many")
    for key, value in document.items():  # each is known by now
        if not isinstance(value, str) or not value or not value.isprintable():
            raise ValueError(f"{key} must be a text of one line that is not empty")
    return _made(kind, document)


# kind: keys that must be there, keys that may
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "acr": (("tenant", "client_id", "client_secret"), ("authority", "audience")),
    "oauth2": (("token_url", "client_id", "client_secret"), ("scope", "username")),
    "helper": (("helper",), ()),
}
_MANAGED = (("identity",), ("client_id", "tenant", "audience"))


def _made(kind: str, said: Mapping[str, str]) -> Access:
    registry = said.get("registry", "")
    if kind == "helper":
        if not _HELPER.fullmatch(said["helper"]):
            raise ValueError("helper is what follows docker-credential- in the program's name")
        return HelperAccess(said["helper"], registry)
    if kind == "oauth2":
        if ":" in (username := said.get("username", OAUTH2_USER)):
            raise ValueError("a user name holds no colon")
        return OAuth2Access(_client(said, said["token_url"], said.get("scope", "")), username, registry)
    tenant, audience = said.get("tenant", ""), said.get("audience", ACR_AUDIENCE)
    identity: ClientSecret | ManagedIdentity
    if "identity" in said:
        if said["identity"] != "managed":
            raise ValueError("identity can only be managed")
        identity = ManagedIdentity(said.get("client_id", ""))
    else:
        if not re.fullmatch(r"[A-Za-z0-9.-]+", tenant):
            raise ValueError("tenant must be the directory's id or its domain")
        url = f"{said.get('authority', ENTRA).rstrip('/')}/{tenant}/oauth2/v2.0/token"
        identity = _client(said, url, f"{audience.rstrip('/')}/.default")
    return AzureAccess(identity, tenant, audience, registry)


def _client(said: Mapping[str, str], url: str, scope: str) -> ClientSecret:
    try:
        parts = urlsplit(url)
        right = parts.scheme == "https" and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ValueError("the address that is sent a secret must begin with https:// and a host")
    return ClientSecret(url, said["client_id"], Secret(said["client_secret"]), scope)
