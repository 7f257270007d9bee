"""Which registry passwords does a deployment of IoT Edge carry, and what is it without them? Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from edgetender.codec import canonical
from edgetender.convert.iotedge import is_twin
from edgetender.model.image import Credential
from edgetender.secret import Secret

_KEY, _LOGIN = "registryCredentials", ("username", "password")
_SPELLED = re.compile(rb'"(username|password)"\s*:\s*"(?:[^"\\]|\\.)*"?')


def parted(body: bytes) -> tuple[bytes, tuple[Credential, ...]]:
    """*body*, a manifest as it arrived, without what registries ask for; and that apart, named as the
    converted manifest names it.

    What carries nothing of the kind comes back byte for byte. Of what is no JSON goes what looks like it.
    """
    try:
        document = json.loads(body)
        bare = _without(document, inside=False)
        return (body if bare == document else canonical(bare)), tuple(_logins(document))
    except (ValueError, RecursionError):
        return (_SPELLED.sub(rb'"\1":""', body) if _KEY.encode() in body else body), ()


def _without(value: Any, *, inside: bool) -> Any:
    """*inside*: below the registries' key. Layers spell paths as keys."""
    match value:
        case dict():
            kept = {}
            for key, inner in value.items():
                *_, last = path = key.split(".")
                below = inside or _KEY in path
                if not (below and last in _LOGIN):
                    kept[key] = _without(inner, inside=below)
            return kept
        case list():
            return [_without(one, inside=inside) for one in value]
    return value


def _logins(document: Any) -> Iterator[Credential]:
    if not is_twin(document):
        return
    found = document
    for key in ("runtime", "settings", _KEY):
        found = found.get(key) if isinstance(found, dict) else None
    for name, entry in found.items() if isinstance(found, dict) else ():
        username, password = (entry.get(key) for key in _LOGIN) if isinstance(entry, dict) else ("", "")
        if isinstance(username, str) and isinstance(password, str) and username and password:
            yield Credential(username, Secret(password), name.lower())
