"""A real Prometheus of Debian's, scraping what a test serves; and promtool."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.parts.process import free_port
from demo.parts.waiting import until


def promtool(*words: str, stdin: bytes = b"", folder: Path | None = None) -> str:
    """What it said, on both streams; fails the test where it complains."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *words], input=stdin, capture_output=True, check=False, cwd=folder, timeout=60
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


@dataclass(frozen=True)
class Prometheus:
    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query; fails where the expression is none."""
        target = f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(target, timeout=60) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        assert document["status"] == "success", document
        return document["data"]["result"]

    def until(self, expression: str) -> list[dict[str, Any]]:
        return until(lambda: self.query(expression), f"a sample for {expression}")


@contextlib.contextmanager
def prometheus(home: Path, jobs: Mapping[str, int]) -> Iterator[Prometheus]:
    """One that scrapes 127.0.0.1 at each job's port every second."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed: apt-get install prometheus")
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]}
            for name, at in jobs.items()
        ],
    }
    home.mkdir(parents=True, exist_ok=True)
    (home / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    words = [
        "prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (home / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            _await(port, process, home / "log")
            yield Prometheus(port)
        finally:
            process.terminate()


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    def ready() -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2).close()
            return True
        assert process.poll() is None, log.read_text()
        return False

    until(ready, "its readiness", every_s=0.1)
