"""Which processes are ours, and how do they end? A part is known by pid *and* start time, never by name."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demo.parts.waiting import TimedOut, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class PartFailed(Exception):
    """A part did not start or did not stay; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for another: pids are used again, never with the same start time."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """Return None when no such process runs; a zombie does not run."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        state, *rest = text.rpartition(")")[2].split()
        # proc(5): starttime is field 22, state is field 3
        return None if state in "ZX" else cls(pid, int(rest[18]))

    @classmethod
    def read(cls, pidfile: Path) -> Identity | None:
        try:
            pid, ticks = pidfile.read_text().split()
            return cls(int(pid), int(ticks))
        except (OSError, ValueError):
            return None

    @property
    def runs(self) -> bool:
        return Identity.of(self.pid) == self

    def end(self, *, grace_s: float = 15.0) -> None:
        """Ask with SIGTERM, insist with SIGKILL after *grace_s* seconds. Return once it is gone."""
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
            if not self.runs:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            with contextlib.suppress(TimedOut):
                until(lambda: not self.runs, f"the end of {self.pid}", within_s=patience_s)


@dataclass(slots=True)
class Part:
    """One process of ours, restartable: its log, its pid file and its command stay the same."""

    name: str
    command: Sequence[str | Path]
    home: Path
    env: Mapping[str, str] = field(default_factory=dict)
    identity: Identity | None = None
    _child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def pidfile(self) -> Path:
        """`pid start-ticks`, for `./run clean` after a crash."""
        return self.home / f"{self.name}.part"

    @property
    def runs(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None  # reaps it, so that a dead child is seen as dead
        return self.identity is not None and self.identity.runs

    def start(self) -> None:
        program = str(self.command[0])
        if shutil.which(program) is None:
            raise PartFailed(f"cannot start {self.name}: {program} is not installed")
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # a session of its own: Ctrl-C in the terminal is for the demo, which ends its parts in order
            self._child = subprocess.Popen(
                [str(word) for word in self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | dict(self.env),
            )
        self.identity = Identity.of(self._child.pid)
        if self.identity is not None:
            self.pidfile.write_text(f"{self.identity.pid} {self.identity.start_ticks}\n")

    def wait_until_ready(self, look: Callable[[], bool]) -> None:
        """Return when *look()* is true; raise PartFailed with the log's end if it dies or dawdles."""

        def ready_or_dead() -> bool:
            return bool(look()) or not self.runs

        with contextlib.suppress(TimedOut):
            until(ready_or_dead, self.name)
        if not self.runs or not look():
            raise PartFailed(
                f"cannot start {self.name}: it {'is slow' if self.runs else 'ended'}\n{self.tail()}"
            )

    def kill(self) -> None:
        """SIGKILL, at once: what a power cut looks like to the others."""
        if self.identity is not None and self.runs:
            os.kill(self.identity.pid, signal.SIGKILL)
        self._reap()

    def stop(self, *, grace_s: float = 15.0) -> None:
        """SIGTERM, then SIGKILL after *grace_s*. Doing it again does nothing."""
        if self._child is not None and self.runs:
            self._child.terminate()
            try:
                self._child.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._child.kill()
        elif self.identity is not None:
            self.identity.end(grace_s=grace_s)
        self._reap()

    def exit_code(self, *, within_s: float) -> int:
        """Wait for the end of the process; raise TimedOut if it does not come."""
        if self._child is None:
            raise PartFailed(f"cannot wait for {self.name}: it was not started here")
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{self.name} did not end within {within_s:g} s") from None

    def tail(self, lines: int = 20) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(10)
        self.pidfile.unlink(missing_ok=True)


def end_recorded(home: Path) -> list[str]:
    """End what an earlier run recorded below *home* and could not end itself. Return the parts' names."""
    ended = []
    # the daemon before the engine it talks to: last started, first ended
    for pidfile in sorted(home.rglob("*.part"), key=lambda path: path.stat().st_mtime, reverse=True):
        identity = Identity.read(pidfile)
        if identity is not None and identity.runs:
            identity.end()
            ended.append(pidfile.stem)
        pidfile.unlink(missing_ok=True)
    return ended


def free_port() -> int:
    """A TCP port nobody listens on now. No client is given it, and no other caller while this process lives."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    below = random.sample(range(10_000, lowest), 100) if lowest > 10_100 else []
    for port in (*below, 0):  # 0: whatever the kernel gives
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found = int(probe.getsockname()[1])
            claim(found)
            return found
    raise PartFailed("cannot find a free port on 127.0.0.1")


def claim(port: int) -> None:
    """Raise OSError when another process, or this one, has been given *port*: each binds it only later."""
    held(f"port {port}").detach()


def held(what: str) -> socket.socket:
    """*what* is ours until this is closed or our process ends. Raises OSError when it is somebody else's."""
    holding = socket.socket(socket.AF_UNIX)
    try:
        holding.bind(f"\0edgetender {what}")  # an abstract name: it leaves nothing behind
    except OSError:
        holding.close()
        raise
    return holding


def free_alias(port: int) -> str:
    """127.x.y.z where nobody listens on *port*, for what cannot be told another one."""
    draw = random.Random(os.getpid())  # noqa: S311  # so that two that run side by side do not meet
    while True:
        address = f"127.{draw.randint(1, 254)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}"
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((address, port))
            return address


def listens(port: int) -> bool:
    """On 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def run_to_end(command: Sequence[str | Path], *, within_s: float = 300, stdin: str | None = None) -> str:
    """Return stdout; raise PartFailed with both streams when the program fails."""
    words = [str(word) for word in command]
    started = time.monotonic()
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=within_s, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-2000:]
        took = time.monotonic() - started
        raise PartFailed(f"{' '.join(words)} ended with {done.returncode} after {took:.0f} s\n{said}")
    return done.stdout
