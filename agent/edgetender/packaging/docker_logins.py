"""Whom does Docker log in as? What its own configuration says, or the program that it names; nothing is written."""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgetender.errors import AgentError, RegistryDenied
from edgetender.model.image import HUB, TOKEN_USER, Credential
from edgetender.registry.login_program import ask_helper
from edgetender.secret import Secret

log = logging.getLogger(__name__)

_HUB = "https://index.docker.io/v1/"  # what Docker calls its own
_MOST = 1024 * 1024


def docker_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where Docker's command line keeps its configuration."""
    named = environ.get("DOCKER_CONFIG")
    return Path(named) if named else Path(environ.get("HOME") or "/") / ".docker"


def docker_login(address: str, folder: Path, path: str | None = None) -> Credential | None:
    """As `docker pull` would: by the registry's helper, else by that of all, else as config.json has it.

    None where there is none; also where it is not to be had, which is logged: who needs it will be refused.
    *path* is where programs lie, if not $PATH; folders in it that are not absolute are passed over.
    """
    said = _read(folder / "config.json")
    key = _HUB if address == HUB else address
    helper = _text(_part(said, "credHelpers").get(key)) or _text(said.get("credsStore"))
    if not helper:
        return _written(said, key)
    path = os.environ.get("PATH", "") if path is None else path
    try:
        return Credential(*ask_helper(helper, key, tuple(path.split(os.pathsep))))
    except RegistryDenied:
        return None  # it has none, as for every public registry
    except AgentError as error:
        log.warning("Docker's login is not used: %s", error)
        return None


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read(_MOST))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no JSON"
        log.warning("Docker's logins are not used: %s: %s", file, why)
        return {}
    return found if isinstance(found, dict) else {}


def _written(said: dict[str, Any], key: str) -> Credential | None:
    for name, entry in _part(said, "auths").items():
        if not isinstance(entry, dict) or (name != key and _host(name) != key):
            continue
        try:
            user, _, password = (
                base64.b64decode(_text(entry.get("auth"))).decode().rstrip("\0").partition(":")
            )
        except ValueError:
            user = password = ""
        if token := _text(entry.get("identitytoken")):
            return Credential(TOKEN_USER, Secret(token))
        if user and password:
            return Credential(user, Secret(password))
    return None


def _host(name: str) -> str:
    """Older ones wrote an address: `https://registry.example/v1/`."""
    return name.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _part(said: dict[str, Any], key: str) -> dict[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
