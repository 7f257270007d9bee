"""Other users of this machine at the agent's sockets: somebody without rights, in whichever groups a test wants."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STRANGER = 65534
ASK_AS = """\
import os, socket, sys
path, groups = sys.argv[1], [int(group) for group in sys.argv[2:]]
os.setgroups(groups), os.setgid(65534), os.setuid(65534)
for line in sys.stdin:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        connection.sendall(line.strip().encode() + b" HTTP/1.0\\r\\n\\r\\n")
        print(connection.makefile().readline().split()[1])
    except PermissionError:
        print("no way in")
    connection.close()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that strangers may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="edgetender-api-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def ask_as_stranger(path: Path, *groups: int, target: str = "/v1/rollback") -> str:
    """The status of one POST, or that the socket cannot even be opened."""
    (answer,) = ask_all_as_stranger(path, [f"POST {target}"], *groups)
    return answer


def ask_all_as_stranger(path: Path, requests: list[str], *groups: int) -> list[str]:
    """The same for several, each written like `GET /v1/status`."""
    words = [sys.executable, "-I", "-S", "-c", ASK_AS, str(path), *map(str, groups)]
    said = "\n".join(requests)
    done = subprocess.run(words, input=said, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def foreign_group(number: int = 0) -> grp.struct_group:
    """One that is neither this process's nor the stranger's."""
    found = [group for group in grp.getgrall() if group.gr_gid not in {0, STRANGER, os.getegid()}]
    return found[number]
