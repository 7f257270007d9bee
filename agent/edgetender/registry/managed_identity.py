"""Who is this machine, for Azure? Its metadata service says so, or Azure Arc's agent on machines elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from edgetender.errors import CredentialUnusable
from edgetender.registry.auth import parse_challenges
from edgetender.registry.endpoint import Endpoint
from edgetender.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgetender.model.access import ManagedIdentity

IMDS = "http://169.254.169.254"
KEYS = Path("/var/opt/azcmagent/tokens")
_PATH = "/metadata/identity/oauth2/token"
_METADATA = {"Metadata": "true"}  # else a request that somebody was made to send would be answered too
_MOST = 4096


def managed_token(
    identity: ManagedIdentity,
    audience: str,
    *,
    what: str,
    environ: Mapping[str, str],
    imds: str,
    keys: Path,
    timeout_s: float,
) -> Secret:
    """A token for *audience*. Raises RegistryDenied, RegistryUnreachable, CredentialUnusable."""
    asked = {"resource": audience} | ({"client_id": identity.client_id} if identity.client_id else {})
    arc = environ.get("IDENTITY_ENDPOINT", "") if environ.get("IMDS_ENDPOINT") else ""
    if not arc:
        url = f"{imds}{_PATH}?{urlencode({'api-version': '2018-02-01'} | asked)}"
        endpoint = Endpoint(url, what, {}, timeout_s=timeout_s, local=True)
        repair = "has this machine an identity of that name? `az vm identity show` says so"
        return endpoint.token(endpoint.get(_METADATA), "access_token", repair)
    if urlsplit(arc).hostname not in ("localhost", "127.0.0.1"):
        raise CredentialUnusable(
            f"cannot {what}: IDENTITY_ENDPOINT is not on this machine; Azure Arc's agent is"
        )
    endpoint = Endpoint(
        f"{arc}?{urlencode({'api-version': '2019-11-01'} | asked)}", what, {}, timeout_s=timeout_s, local=True
    )
    reply = endpoint.get(_METADATA)
    if reply.status == 401:  # noqa: PLR2004  # it wants to see that we may read what only the privileged may
        reply = endpoint.get(_METADATA, _key(reply.challenge, keys, what))
    return endpoint.token(reply, "access_token", "is this machine connected? `azcmagent show` says so")


def _key(challenge: str, keys: Path, what: str) -> Secret:
    """What is in the file that the agent names, if it is one of its own."""
    realms = {one.scheme: one.parameters.get("realm", "") for one in parse_challenges(challenge)}
    path = Path(realms.get("basic", ""))
    if path.parent != keys or path.suffix != ".key":
        raise CredentialUnusable(
            f"cannot {what}: Azure Arc's agent names a key that is not in {keys}; is that its address?"
        )
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            key = file.read(_MOST + 1)
    except OSError as error:
        raise CredentialUnusable(
            f"cannot {what}: {path}: {error.strerror}; run: usermod -aG himds edgetender"
        ) from error
    if len(key) > _MOST:
        raise CredentialUnusable(f"cannot {what}: {path} is no key of Azure Arc's agent")
    return Secret(f"Basic {key.decode('ascii', 'replace').strip()}")
