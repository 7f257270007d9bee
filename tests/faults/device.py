"""One device of the sweeps: a real daemon that is killed and started anew, on an engine that outlives it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgetender.api.client import Answered, Client, Unreachable
from tests.faults import shim
from tests.faults.docker_api import ScriptedEngine
from tests.faults.shim import Arm

DEVICE = "line3-cam7"
REPOSITORY = Path(__file__).resolve().parents[2]
CANARY = "canary-4f1c9a-do-not-tell"
PATIENCE = float(
    os.environ.get("EDGETENDER_FAULTS_PATIENCE", "1")
)  # times as long as on a machine of its own


class Zygote:
    """The process that daemons are forked off; *agent* is the source they run, by default this checkout's.

    *within* is the command that runs it, where something is to be different for all of them.
    """

    def __init__(self, agent: Path | None = None, within: Sequence[str] = ()) -> None:
        paths = [str(agent or REPOSITORY / "agent"), str(REPOSITORY)]
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=os.environ | {"LD_PRELOAD": str(shim.built()), "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._asking = threading.Lock()
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the daemon cannot even be imported: see above")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def fork(self, wish: dict[str, Any]) -> int:
        """The pid of a new daemon."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps(wish).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


class Device:
    """State below *home*/state, an outbox folder beside it. One daemon at a time."""

    def __init__(self, home: Path, zygote: Zygote) -> None:
        self.home, self._zygote = home, zygote
        self.state, self.folder, self.log = home / "state", home / "folder", home / "daemon.log"
        for made in (self.folder, home / "empty", home / "credentials"):
            made.mkdir(parents=True, exist_ok=True)
        self.engine = ScriptedEngine(home / "e.sock")
        self.client = Client(f"unix://{home}/a.sock")
        self.clock = shim.Clock(home / "clock")
        self.starts = 0
        self.pid = self._pidfd = -1
        secret = home / "credentials" / "registry"
        secret.touch(0o600)
        secret.write_text(json.dumps({"username": "line3", "password": CANARY}))
        (home / "config.toml").write_text(self._settings())

    def _settings(self) -> str:
        return f"""\
device = "{DEVICE}"
state_dir = "{self.state}"
[engine]
socket = "unix://{self.home}/e.sock"
interval_s = 0.5
[transport]
kind = "folder"
path = "{self.folder}"
[registries."localhost:{self.engine.port}"]
plain_http = true
[credentials]
directory = "{self.home}/credentials"
[trust]
mode = "open"
directory = "{self.home}/trust"
policy = "{self.home}/policy.toml"
[api]
socket = "{self.home}/a.sock"
listen = ""
group = ""
[hardware]
root = "{self.home}/empty"
[telemetry]
interval_s = 3600
[log]
level = "DEBUG"
"""

    def agent_is(self, zygote: Zygote) -> None:
        """From the next start on."""
        self._zygote = zygote

    def start(self, arm: Arm | None = None) -> None:
        wish: dict[str, Any] = {"config": str(self.home / "config.toml"), "log": str(self.log)}
        wish["clock"] = str(self.clock.path)
        if arm is not None:
            wish["arm"] = asdict(arm)
        self.starts += 1
        try:
            self.pid = self._zygote.fork(wish)
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:  # its first write was its last
            self._pidfd = -1

    def kill(self) -> None:
        """SIGKILL; returns at once."""
        with contextlib.suppress(OSError):  # it ended by itself
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def ended(self, within_s: float) -> bool:
        """Whether it ends in time; its descriptor is closed then."""
        if self._pidfd >= 0 and not select.select([self._pidfd], [], [], within_s)[0]:
            return False
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        return True

    def stop(self) -> bool:
        """SIGTERM; whether it ended within 15 s, times PATIENCE (else it is killed)."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
        if self.ended(15 * PATIENCE):
            return True
        self.kill()
        self.ended(5)
        return False

    def close(self) -> None:
        if self._pidfd >= 0:
            self.kill()
            self.ended(5)
        self.engine.close()

    def status(self) -> dict[str, Any] | None:
        """None while it does not answer."""
        try:
            found: dict[str, Any] = self.client.status()
        except (Unreachable, ValueError, Answered):
            return None
        return found

    def decided(self, number: int) -> str:
        """What is said of that delivery; nothing while it is not decided, or nobody answers."""
        try:
            return str(self.client.document(f"/v1/decisions/{number}").get("description", ""))
        except (Unreachable, Answered, ValueError):
            return ""

    def say(
        self, target: str, body: bytes, again: Callable[[], None], within_s: float = 15.0 * PATIENCE
    ) -> int:
        """POST until it is acknowledged, doing *again* when the daemon died; return the delivery's number.

        As the far side does, which repeats what was not acknowledged.
        """
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            try:
                return int(self.client.post(target, body)["delivery"])
            except (Unreachable, ValueError):
                if self.ended(0.01):
                    again()
            except Answered:  # not acknowledged: a full disk
                self.ended(0.05)
        raise AssertionError(f"{target} is never acknowledged")

    def keep(self, place: Path) -> None:
        """Copy what is on the disk, of a daemon that does not run."""
        for name in ("state", "folder"):
            if (self.home / name).exists():
                shutil.copytree(self.home / name, place / name, ignore=shutil.ignore_patterns("reserve"))

    def put_back(self, place: Path) -> None:
        for name in ("state", "folder"):
            shutil.rmtree(self.home / name, ignore_errors=True)
            if (place / name).exists():
                shutil.copytree(place / name, self.home / name)
        self.clock.jump(0)
        (self.home / "a.sock").unlink(missing_ok=True)
        self.folder.mkdir(exist_ok=True)
