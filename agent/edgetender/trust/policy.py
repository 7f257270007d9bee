"""What does the owner of this device allow? `policy.toml`, which only root writes, read strictly."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.policy import Policy, policy_of
from edgetender.trust.owned import opened

_MOST_BYTES = 64 * 1024


def read_policy(path: Path) -> Policy:
    """The policy in *path*, the default one where there is none.

    Raises ConfigInvalid with every fault, CredentialUnusable for a file that others can change.
    """
    found = opened(path, "policy")
    if found is None:
        return Policy()
    with os.fdopen(found, "rb") as stream:
        body = stream.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise ConfigInvalid((Problem(str(path), "policy.oversized", f"more than {_MOST_BYTES} bytes"),))
    try:
        document = tomllib.loads(body.decode())
    except ValueError as error:
        raise ConfigInvalid((Problem(str(path), "policy.syntax", str(error)),)) from None
    return policy_of(document, str(path))
