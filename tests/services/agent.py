"""The agent as a process of its own, for tests that see it as people and other programs do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.api.client import Client, Unreachable

AGENT = Path(__file__).parents[2] / "agent"


class Daemon:
    """The agent as a process, at DEBUG, with its files in *folder*."""

    def __init__(self, folder: Path, device: str, engine: str, more: str) -> None:
        self.folder, self.config = folder, folder / "config.toml"
        self.page = f"127.0.0.1:{free_port()}"
        self.config.write_text(
            f'device = "{device}"\nstate_dir = "{folder}/state"\n[engine]\nsocket = "{engine}"\n'
            f'[api]\nsocket = "{folder}/admin.sock"\nlisten = "{self.page}"\n[log]\nlevel = "DEBUG"\n'
            f'[telemetry]\ninterval_s = 1\n[credentials]\ndirectory = "{folder}/credentials"\n'
            f'handed = "{folder}/handed"\n[messages]\ndirectory = "{folder}/messages"\n[trust]\nmode = "open"\npolicy = "{folder}/policy.toml"\n{more}'
        )
        self._log = (folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._words("daemon", "--config", self.config),
            env=self._environment(),
            stderr=self._log,
            stdout=self._log,
        )
        self.client = Client(f"unix://{folder}/admin.sock")
        until(self._answers, "the agent")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()

    def kill(self) -> None:
        """As when the power goes."""
        self._process.kill()
        self._process.wait(60)

    def why(self) -> dict[str, str]:
        return {one["name"]: one["code"] for one in self.client.status()["modules"]}

    def said(self, *words: str) -> bytes:
        done = subprocess.run(
            self._words(*words), env=self._environment(), capture_output=True, check=False, timeout=90
        )
        return done.stdout + done.stderr

    def over_http(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self.page}{path}", timeout=60) as answer:
            return bytes(answer.read())

    def _answers(self) -> bool:
        try:
            return bool(self.client.status())
        except Unreachable:
            assert self._process.poll() is None, (self.folder / "log").read_text()
            return False

    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_CONFIG": str(self.config)}

    @staticmethod
    def _words(*words: Any) -> list[str]:
        return [sys.executable, "-c", "from edgetender.cli import main; main()", *map(str, words)]
