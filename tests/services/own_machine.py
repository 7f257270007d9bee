"""A machine of one's own for a page that a reader follows as root: its own mounts, network and processes.

/etc is a copy, /run, /media, /var/lib and the home are empty, nothing listens, and no engine is reached. What is written
there, and what runs there, is gone with the shell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.console import Shell

_APART = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_SET_UP = """\
set -e
ip link set lo up
cp -a /etc "$MACHINE/etc" && mount --bind "$MACHINE/etc" /etc
mount -t tmpfs none /run && mount -t tmpfs none /media && mount -t tmpfs none /var/lib
id edgetender >/dev/null 2>&1 || useradd --system --user-group --no-create-home edgetender
rm -rf /etc/edgetender /etc/mosquitto
mkdir -p /etc/edgetender/credentials /etc/mosquitto/conf.d /etc/mosquitto/certs /var/lib/edgetender /run/edgetender/holds
mount --bind "$MACHINE/agent" /run/edgetender && mkdir -p /run/edgetender/holds
cat "$MACHINE/keys/ca.pem" >> /etc/ssl/certs/ca-certificates.crt
echo 127.0.0.1 localhost broker.example hub.example registry.example > /etc/hosts
set +e"""


def why_not() -> str:
    """Why this cannot be had here, or nothing."""
    missing = [name for name in ("bash", "curl", "ip", "unshare", "useradd") if shutil.which(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if os.geteuid() or subprocess.run([*_APART, "true"], capture_output=True, check=False).returncode:
        return "mounts and a network of one's own need root"
    return ""


@contextmanager
def own_machine(home: Path, work: Path, environ: dict[str, str]) -> Iterator[Shell]:
    """A shell in *work* there. *home*/agent is its /run/edgetender, *home*/keys/ca.pem one of its authorities."""
    (home / "root").mkdir()
    own = {"MACHINE": str(home), "HOME": str(home / "root"), "XDG_DATA_HOME": "", "EDGETENDER_HOST": ""}
    with Shell(work, own | environ, within=_APART) as shell:
        code, said = shell.run(_SET_UP)
        assert code == 0, said
        yield shell
