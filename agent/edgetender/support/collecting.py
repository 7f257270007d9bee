"""What does this machine say of itself? Programs and plug-ins, each bounded in time, none of them needed."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from edgetender import __version__
from edgetender.engine.labels import DEVICE

PLUGINS = Path("/usr/share/edgetender/diag-plugins")
PROGRAM_S, PLUGIN_S, _GRACE_S = 10.0, 30.0, 2.0
_MOST_BYTES = 4 * 1024 * 1024
_NOT_APPLICABLE = 2  # a plug-in's exit code, as tedge's diag plug-ins have it
COMMANDS = {
    "system/uname.txt": ("uname", "-a"),
    "system/df.txt": ("df", "-hT"),
    "system/df-inodes.txt": ("df", "-i"),
    "system/memory.txt": ("free", "-h"),
    "system/addresses.txt": ("ip", "address"),
    "system/routes.txt": ("ip", "route"),
    "system/time.txt": ("timedatectl", "status"),
    "system/service.txt": ("systemctl", "status", "--no-pager", "edgetender", "docker"),
    "engine/version.txt": ("docker", "version"),
    "engine/info.txt": ("docker", "info"),
    "engine/containers.txt": ("docker", "ps", "--all", "--no-trunc"),
    "engine/images.txt": ("docker", "images", "--digests"),
    "engine/networks.txt": ("docker", "network", "ls"),
    "engine/disk.txt": ("docker", "system", "df"),
}


class Missing(Exception):
    """There is nothing of that kind here; not worth a word."""


def run_program(words: Sequence[str], timeout_s: float = PROGRAM_S, *, engine: str = "") -> str:
    """What it wrote, cut after 4 MiB. Raises Missing where it is not installed; ends it when it takes too long.

    Docker's program speaks to *engine*, as the agent does.
    """
    try:
        process = subprocess.Popen(  # a session of its own: its children end with it
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | ({"DOCKER_HOST": engine} if engine else {}),
        )
    except OSError as error:
        raise Missing(f"{words[0]}: {error.strerror}") from error
    with process:
        try:
            out, _ = process.communicate(timeout=timeout_s)
            late = ""
        except subprocess.TimeoutExpired:
            out, late = _ended(process), f"\n[ended after {timeout_s:g} s]\n"
    if process.returncode == _NOT_APPLICABLE and not out:
        raise Missing(f"{words[0]}: not applicable")
    code = f"\n[exit {process.returncode}]\n" if process.returncode and not late else ""
    return out[:_MOST_BYTES].decode(errors="replace") + late + code


def journal(since: str, until: str = "") -> str:
    """The agent's own log; both as journalctl takes them."""
    asked = ("journalctl", "-u", "edgetender", "--no-pager", "-o", "short-iso", "--since", since)
    return run_program((*asked, "--until", until) if until else asked)


def inspected(device: str, engine: str) -> Any:
    """`docker inspect` of this device's containers in *engine*. Raises Missing."""
    asked = ("docker", "ps", "--all", "--quiet", "--filter", f"label={DEVICE}={device}")
    ids = run_program(asked, engine=engine).split()
    if not ids or not all(one.isalnum() for one in ids):
        raise Missing("no containers")
    try:
        return json.loads(run_program(("docker", "inspect", *ids), engine=engine))
    except ValueError as error:
        raise Missing("docker inspect did not answer in JSON") from error


def versions() -> str:
    """Of this program, and of what it stands on."""
    found = {
        "edgetender": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
        **{str(one.name): one.version for one in distributions() if one.name != "edgetender"},
    }
    return "".join(f"{name} {version}\n" for name, version in found.items())


def plugins(folder: Path = PLUGINS, timeout_s: float = PLUGIN_S) -> Iterator[tuple[str, str]]:
    """(name, what it said) of every executable file there; exit 2 says that it does not apply here."""
    try:
        found = sorted(path for path in folder.iterdir() if os.access(path, os.X_OK) and path.is_file())
    except OSError:
        return
    for path in found:
        with contextlib.suppress(Missing):
            yield path.name, run_program((str(path),), timeout_s)


def _ended(process: subprocess.Popen[bytes]) -> bytes:
    """SIGTERM, a while later SIGKILL; what it had said until then."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            out, _ = process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return bytes(out)
    return b""
