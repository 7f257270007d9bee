"""A podman service for tests: Docker's API on a socket, its images and containers below a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.parts.process import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

# The host's network: podman's own would leave a bridge behind. Limits: a machine in a sandbox may not raise any.
_SETTINGS = '[containers]\nnetns = "host"\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'


@pytest.fixture(scope="module")
def podman_socket() -> Iterator[str]:
    """`unix:///…` of a podman that only this module uses."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed: apt-get install podman")
    if os.geteuid() != 0:
        pytest.skip("a podman of its own, with overlays, needs root")
    home = Path(tempfile.mkdtemp(prefix="podman-"))  # podman takes no runroot of more than 50 characters
    socket, settings = home / "s", home / "containers.conf"
    settings.write_text(_SETTINGS)
    own = [
        "podman", "--root", home / "root", "--runroot", home / "run", "--tmpdir", home / "tmp",
        "--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "file",
    ]  # fmt: skip
    env = {"CONTAINERS_CONF": str(settings)}
    part = Part("podman", [*own, "system", "service", "--time=0", f"unix://{socket}"], home, env=env)
    try:
        part.start()
        part.wait_until_ready(socket.exists)
        yield f"unix://{socket}"
    finally:
        part.stop()
        subprocess.run([*own, "rm", "-fa"], check=False, capture_output=True, env=os.environ | env)
        _unmounted(home)
        shutil.rmtree(home, ignore_errors=True)


def _unmounted(home: Path) -> None:
    """podman leaves its store mounted upon itself."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        if line.split()[1].startswith(f"{home}/"):
            subprocess.run(["umount", line.split()[1]], check=False)
