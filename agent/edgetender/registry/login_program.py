"""What does a credential helper of Docker's say? Its protocol: the registry on stdin, JSON on stdout."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from typing import IO, Any

from edgetender.errors import CredentialUnusable, RegistryDenied, RegistryUnreachable
from edgetender.secret import Secret

PROGRAMS = ("/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin", "/bin")
_DEADLINE_S = 30.0
_MOST = 64 * 1024
# docker-credential-helpers, credentials/error.go: how each of them says that it has none
_NONE = "credentials not found in native keychain"
_OURS = (
    "EDGETENDER_",
    "NOTIFY_SOCKET",
    "WATCHDOG_",
    "CREDENTIALS_DIRECTORY",
    "LISTEN_",
)  # none of its business


def ask_helper(
    helper: str,
    registry: str,
    path: tuple[str, ...] | None = None,
    *,
    deadline_s: float = _DEADLINE_S,
) -> tuple[str, Secret]:
    """User and password of docker-credential-*helper*, from a folder of *path*, for *registry*.

    The user is `<token>` where the password is an identity token. What it prints beside that is not repeated.
    Raises CredentialUnusable where it cannot be run, RegistryDenied where it knows of nothing there,
    RegistryUnreachable where it failed.
    """
    name = f"docker-credential-{helper}"
    folders = [one for one in (PROGRAMS if path is None else path) if one.startswith("/")]
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", helper) or not (
        program := shutil.which(name, path=os.pathsep.join(folders))
    ):
        raise CredentialUnusable(
            f"cannot ask {name} for a login at {registry}: there is no such program in {', '.join(folders)}; "
            "install it there"
        )
    cannot = f"cannot get a login for {registry} from {name}"
    with tempfile.TemporaryFile() as said:
        code = _run([program, "get"], registry.encode(), said, cannot, deadline_s)
        said.seek(0)
        output = said.read(_MOST + 1)
    if code != 0:
        if _NONE.encode() in output:
            raise RegistryDenied(f"{cannot}: it has none; log in there by its own means")
        # its own words are not repeated: nobody promises that they hold no secret
        raise RegistryUnreachable(
            f"{cannot}: it ended with {code}; try by hand: echo {registry} | {program} get >/dev/null"
        )
    return _login(output, cannot)


def _run(argv: list[str], question: bytes, said: IO[bytes], cannot: str, deadline_s: float) -> int:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_OURS)}
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise CredentialUnusable(f"{cannot}: {argv[0]}: {error.strerror}") from error
    try:
        child.communicate(question, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # in the kernel: it ends when it comes out of it
            child.wait(1.0)
        raise RegistryUnreachable(f"{cannot}: no answer in {deadline_s:g} s; it was ended") from None
    return child.returncode


def _login(output: bytes, cannot: str) -> tuple[str, Secret]:
    try:
        document: Any = json.loads(output) if len(output) <= _MOST else None
    except (ValueError, RecursionError):
        document = None  # the error would quote it
    username, password = (
        (document.get("Username"), document.get("Secret")) if isinstance(document, dict) else (None, None)
    )
    if (
        not (isinstance(username, str) and isinstance(password, str) and username and password)
        or ":" in username
    ):
        raise RegistryUnreachable(
            f"{cannot}: its answer holds no Username and Secret; is it a credential helper?"
        )
    return username, Secret(password)
