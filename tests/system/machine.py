"""A real systemd as PID 1, for the unit's sake: the host's root under an overlay, in a container of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demo.parts.process import Identity, Part, PartFailed, run_to_end
from demo.parts.waiting import TimedOut, until

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = "edgetender-test.target"

# the least that is a booted system: no login, no network, none of the host's services
_TARGET_UNIT = """\
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
"""
# what the host would start on the way to basic.target, and a container has no use for
_MASKED = [
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-timesyncd.service",
    "systemd-resolved.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "apparmor.service",
    "keyboard-setup.service",
    "console-setup.service",
    "ifupdown-pre.service",
    "networking.service",
    "e2scrub_reap.service",
    "tmp.mount",
    "docker.socket",
    "dbus.socket",
    "network-online.target",
]


def why_not() -> str | None:
    """The reason why no such machine can run here; None if it can."""
    if os.geteuid() != 0:
        return "booting systemd in a container needs root"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed: apt-get install systemd-container"
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed: apt-get install systemd"
    return None


@dataclass(slots=True)
class Machine:
    """Boot with `start`, look around with `run`, end with `stop`; the host's files are never written."""

    home: Path
    name: str
    binds: dict[Path, str] = field(default_factory=dict)
    part: Part | None = None
    init: Identity | None = None
    _cgroups_before: set[Path] = field(default_factory=set)

    @property
    def root(self) -> Path:
        """Where the machine's files can be read and written from outside, before and while it runs."""
        return self.home / "root"

    def prepare(self) -> None:
        """Mount the overlay, so that files can be put in place before the boot."""
        for name in ("disk", "root"):
            (self.home / name).mkdir(parents=True)
        # the overlay's upper layer must not itself be on an overlay, as a container's /tmp is
        run_to_end(["mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "tmpfs", self.home / "disk"])
        for name in ("upper", "work"):
            (self.home / "disk" / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.home}/disk/upper,workdir={self.home}/disk/work"
        run_to_end(["mount", "-t", "overlay", "-o", layers, "overlay", self.root])
        units = self.root / "etc/systemd/system"
        (units / TARGET).write_text(_TARGET_UNIT)
        for unit in _MASKED:
            (units / unit).unlink(missing_ok=True)
            (units / unit).symlink_to("/dev/null")
        # an empty one, so that this boot is nobody's first and no unit wants to know the host's
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/fstab").write_text("")

    def start(self) -> None:
        """Return when basic.target is reached."""
        self._cgroups_before = cgroups()
        binds = [f"--bind-ro={source}:{target}" for source, target in self.binds.items()]
        command = [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.root}",
            f"--machine={self.name}",
        ]
        command += ["--register=no", "--keep-unit", "--private-network", "--console=pipe", "--timezone=off"]
        command += ["--resolv-conf=off", "--link-journal=no", *binds, "--", f"--unit={TARGET}"]
        self.part = Part("nspawn", command, self.home)
        self.part.start()
        try:
            self.init = until(self._find_init, "systemd's start")
            until(lambda: self._reached(TARGET), TARGET, every_s=0.2)
        except TimedOut as late:
            raise PartFailed(f"cannot boot the machine: {late}\n{self.part.tail(40)}") from late

    def run(self, *command: str, within_s: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a program beside the machine's PID 1, in all its namespaces."""
        if self.init is None:
            raise PartFailed("cannot run anything: the machine is not started")
        enter = ["nsenter", "--all", "--target", str(self.init.pid), "--", *command]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            enter, capture_output=True, text=True, timeout=within_s, check=False, env=environment
        )

    def property_of(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def stop(self) -> None:
        """End the machine's PID 1, which takes everything in it along; then the mounts and cgroups."""
        if self.init is not None and self.init.runs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init.pid, signal.SIGKILL)
        if self.part is not None:
            self.part.stop()
        for mounted in (self.root, self.home / "disk"):
            subprocess.run(["umount", "--lazy", mounted], check=False, capture_output=True)
        for path in sorted(cgroups() - self._cgroups_before, reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()

    def _find_init(self) -> Identity | None:
        """The child of nspawn that is PID 1 inside."""
        if self.part is None or self.part.identity is None or not self.part.runs:
            raise PartFailed(
                "cannot boot the machine: systemd-nspawn ended" + (self.part.tail() if self.part else "")
            )
        children = Path(f"/proc/{self.part.identity.pid}/task/{self.part.identity.pid}/children").read_text()
        for pid in children.split():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                if re.search(r"^NSpid:\s+\d+\s+1$", status, re.MULTILINE):
                    return Identity.of(int(pid))
        return None

    def _reached(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", unit).stdout.strip() == "active"


def cgroups() -> set[Path]:
    """The halves that nspawn with --keep-unit divides our own cgroup into, and leaves; nobody else's."""
    # walked, not globbed: other tests' containers go while this looks, and a walk passes over what is gone
    everything = (Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup"))
    return {path for path in everything if {"payload", "supervisor"} & set(path.parts)}


def install(machine: Machine) -> None:
    """Put edgetender into the machine as its package would: program, unit, user, directories."""
    root = machine.root
    # read-only and outside /root, which the unit's ProtectHome hides
    packages = sysconfig.get_paths()["purelib"]
    machine.binds |= {Path(packages): "/opt/edgetender/lib", REPOSITORY / "agent": "/opt/edgetender/agent"}
    python = Path(sys.base_prefix)
    if python != Path("/usr"):
        machine.binds[python] = "/opt/edgetender/python"
        interpreter = f"/opt/edgetender/python/bin/python3.{sys.version_info.minor}"
    else:
        interpreter = f"/usr/bin/python3.{sys.version_info.minor}"
    for target in machine.binds.values():
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (root / "opt/edgetender").chmod(0o755)
    program = root / "usr/bin/edgetender"
    program.write_text(
        "#!/bin/sh\nexport PYTHONPATH=/opt/edgetender/agent:/opt/edgetender/lib PYTHONDONTWRITEBYTECODE=1\n"
        # its run path names the host's place, and the system may have a libpython of another patch level
        "export LD_LIBRARY_PATH=/opt/edgetender/python/lib\n"
        f'exec {interpreter} -c "from edgetender.cli import main; main()" "$@"\n'
    )
    program.chmod(0o755)
    for source, target in (
        ("edgetender.service", "usr/lib/systemd/system/edgetender.service"),
        ("edgetender.sysusers", "usr/lib/sysusers.d/edgetender.conf"),
        ("edgetender.tmpfiles", "usr/lib/tmpfiles.d/edgetender.conf"),
        ("config.toml", "etc/edgetender/config.toml"),
    ):
        place = root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / "systemd" / source, place)
        place.chmod(0o644)


@contextlib.contextmanager
def booted(home: Path) -> Iterator[Machine]:
    """A machine with edgetender installed and its user made; the service is not started yet."""
    machine = Machine(home, "edgetender-test")
    try:
        machine.prepare()
        install(machine)
        machine.start()
        # as the package's scripts do
        for command in (
            ["systemd-sysusers", "edgetender.conf"],
            ["systemd-tmpfiles", "--create", "edgetender.conf"],
        ):
            done = machine.run(*command)
            if done.returncode != 0:
                raise PartFailed(f"{' '.join(command)}: {done.stderr}")
        yield machine
    finally:
        machine.stop()
