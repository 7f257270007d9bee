"""What is this device configured to do, and which line of which file says so?

Importing this costs next to nothing: `edgetender status` needs one key of it, the daemon needs them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetender.config.settings import Settings

DIRECTORY = Path("/etc/edgetender")
VARIABLE = "EDGETENDER_CONFIG"
ADMIN_SOCKET = Path("/run/edgetender/admin.sock")
READ_ONLY = "ro.sock"  # beside the admin socket


def files(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, directory: Path = DIRECTORY
) -> tuple[Path, ...]:
    """*path*, or $EDGETENDER_CONFIG, or what there is of config.toml and conf.d/*.toml; later wins."""
    if path is None and environ.get(VARIABLE):
        path = Path(environ[VARIABLE])
    if path is not None:
        return (path,)
    installed = (directory / "config.toml", *sorted(directory.glob("conf.d/*.toml")))
    return tuple(file for file in installed if os.path.lexists(file))


def load(
    path: Path | None = None, environ: Mapping[str, str] = os.environ, directory: Path = DIRECTORY
) -> Settings:
    """Read the configuration that `files` names.

    Raises ConfigInvalid with every fault of every file, each with its line.
    """
    from edgetender.config.reading import read

    return read(files(path, environ, directory))


def admin_socket(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon listens, as far as the files can be read.

    Faults are passed over: `status` is wanted most on the device whose configuration is broken.
    """
    import tomllib

    found = ADMIN_SOCKET
    for file in files(path, environ):
        try:
            api = tomllib.loads(file.read_text("utf-8")).get("api")
        except (OSError, ValueError):
            continue
        if isinstance(api, dict) and isinstance(api.get("socket"), str):
            found = Path(api["socket"])
    return found
