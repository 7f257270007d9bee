"""A Docker Engine of our own: private data root, socket, bridge and cgroup; it leaves the host as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from demo.parts import bridge
from demo.parts.process import Part, PartFailed
from demo.parts.waiting import TimedOut, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker


class Dockerd:
    """Restartable: after `stop` and `start` the containers are still there, after `remove` nothing is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._id = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:8]
        # containerd appends to the exec root, and a unix socket's path ends at 107 bytes: so a short one
        self._short = Path(f"/run/et-{self._id}")
        self.bridge = f"et-{self._id}"
        self.cgroup = f"edgetender-{self._id}"
        self.socket = f"unix://{self._short}/docker.sock"
        self.part = Part("dockerd", self._command(), home, env={"TMPDIR": str(home)})

    def start(self) -> None:
        """Return once the engine answers; raise PartFailed with the end of its log if it does not."""
        if os.geteuid() != 0:
            raise PartFailed(
                "cannot start dockerd: it needs root; start an engine and set DOCKER_HOST instead"
            )
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "daemon.json").write_text("{}\n")  # not the host's /etc/docker/daemon.json
        self._short.mkdir(mode=0o700, exist_ok=True)
        # a killed dockerd leaves pid files behind, and the next one believes them, even of a zombie
        for name in ("dockerd.pid", "x/containerd/containerd.pid"):
            (self._short / name).unlink(missing_ok=True)
        _mount_cgroups_where_missing()
        if not Path("/sys/class/net", self.bridge).exists():
            bridge.create(self.bridge)
        self.part.start()
        self.part.wait_until_ready(lambda: answers(self.socket))

    def stop(self) -> None:
        """End it as a service manager would; the containers end with it and stay known."""
        self.part.stop(grace_s=30)
        self._end_leftovers()

    def kill(self) -> None:
        """SIGKILL: its containerd dies too, containers and their shims live on; the next start finds them."""
        self.part.kill()

    def remove(self) -> None:
        """Stop it, and take away everything it made: containers, mounts, bridge, cgroups, data."""
        if self.part.runs:
            with contextlib.suppress(Exception):  # whatever the engine says: its processes and data go next
                self._remove_contents()
        self.stop()
        bridge.remove(self.bridge)
        _unmount_below(self.home, self._short)
        _remove_cgroups(self.cgroup)
        shutil.rmtree(self._short, ignore_errors=True)
        shutil.rmtree(self.home / "data", ignore_errors=True)

    def _command(self) -> list[str | Path]:
        return [
            shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin") or "dockerd",
            *("--config-file", self.home / "daemon.json"),
            *("--data-root", self.home / "data"),
            *("--exec-root", self._short / "x"),
            *("--pidfile", self._short / "dockerd.pid"),
            *("--host", self.socket),
            *("--bridge", self.bridge),
            # published ports go through docker-proxy: no packet filter rule of the host is touched
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            "--userland-proxy=true",
            *("--default-address-pool", "base=10.214.0.0/16,size=24"),
            # one form for cgroup v1 and v2, with and without systemd; a parent we can remove by name
            *("--exec-opt", "native.cgroupdriver=cgroupfs", f"--cgroup-parent=/{self.cgroup}"),
            # where a system containerd runs, dockerd uses it; then at least in a corner of its own
            *("--containerd-namespace", self._id, "--containerd-plugins-namespace", f"{self._id}-plugins"),
            *("--log-level", "warn"),
        ]

    def _remove_contents(self) -> None:
        with client(self.socket) as engine:
            for container in engine.containers.list(all=True, ignore_removed=True):
                container.remove(force=True, v=True)
            engine.networks.prune()

    def _end_leftovers(self) -> None:
        """Containers and shims outlive a killed dockerd: known by our cgroup, namespace or exec root."""
        shims = _processes_naming(f"-namespace {self._id} ", f"{self._short}/x/")
        for pid in [*_processes_of(self.cgroup), *shims]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def answers(address: str) -> bool:
    """Whether an engine answers its ping there. Unix sockets by hand: docker-py leaks a failed one."""
    if not address.startswith("unix://"):
        import docker
        import requests

        try:
            with contextlib.closing(docker.APIClient(base_url=address, timeout=5)) as asked:
                return bool(asked.ping())
        except (docker.errors.DockerException, requests.RequestException):
            return False
    with socket.socket(socket.AF_UNIX) as wire, contextlib.suppress(OSError):
        wire.settimeout(5)
        wire.connect(address.removeprefix("unix://"))
        wire.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        return b" 200 " in wire.recv(64)
    return False


def running_engine() -> str | None:
    """The engine that is here already: DOCKER_HOST's, else the usual socket's; None if none answers."""
    for address in (os.environ.get("DOCKER_HOST"), "unix:///var/run/docker.sock"):
        if address and answers(address):
            return address
    return None


def _processes_naming(*marks: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                program = words.split(" ", 1)[0].rpartition("/")[2]
                if program.startswith(("containerd", "docker")) and any(mark in words for mark in marks):
                    yield int(entry.name)


def _processes_of(cgroup: str) -> set[int]:
    members = [path for top in _cgroups(cgroup) for path in top.rglob("cgroup.procs")]
    return {int(pid) for path in members for pid in path.read_text().split()}


def _cgroups(name: str) -> list[Path]:
    """The cgroup's directory in every hierarchy: one in v2, a dozen in v1."""
    top = Path("/sys/fs/cgroup")
    return [*top.glob(name), *top.glob(f"*/{name}")]


def _mount_cgroups_where_missing() -> None:
    """A container or a bare init may have left /sys/fs/cgroup empty; no engine works without it."""
    if not any(" cgroup" in line for line in Path("/proc/self/mounts").read_text().splitlines()):
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"], check=False)


def _unmount_below(*roots: Path) -> None:
    """Deepest first; lazily, because a dying shim may hold one a moment longer."""
    wanted = tuple(f"{root.resolve()}/" for root in roots)
    points = [line.split()[1].encode().decode("unicode_escape") for line in _mounts()]
    for point in sorted((point for point in points if point.startswith(wanted)), key=len, reverse=True):
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()


def _remove_cgroups(name: str) -> None:
    """Remove the cgroup *name* in every hierarchy, children first; the kernel empties them a moment late."""

    def gone() -> bool:
        for top in _cgroups(name):
            for path in sorted((path for path in [top, *top.rglob("*")] if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()
        return not _cgroups(name)

    with contextlib.suppress(TimedOut):
        until(gone, "the end of the cgroups", within_s=5)


@contextlib.contextmanager
def client(address: str) -> Iterator[docker.DockerClient]:
    """A client for checks and clean-up, closed at the end."""
    import docker  # not at the top: `./run clean` must work without the project's environment

    with contextlib.closing(docker.DockerClient(base_url=address, timeout=60)) as opened:
        yield opened
