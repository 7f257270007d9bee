"""What nobody needs is not loaded: an idle device holds in memory whatever was ever imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# what an agent at rest would carry for nothing, at half a megabyte or more each with what they bring along
HEAVY = ("rich", "yaml", "jinja2", "numpy", "onnx", "onnxruntime", "azure", "opentelemetry", "xml")
# what asks the engine and registries, and what else a question to the agent can do without
FAR = (
    *HEAVY, "docker", "requests", "urllib3", "pydantic", "asyncio", "cryptography", "http", "ssl", "logging",
    "email", "tempfile", "subprocess",
)  # fmt: skip


def loaded(code: str) -> set[str]:
    """The packages and modules that a fresh interpreter holds after *code*."""
    said = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env=os.environ | {"EDGETENDER_HOST": "unix:///nobody/listens/here"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {name.partition(".")[0] for name in said.stdout.split()}


def test_the_daemon_loads_no_library_that_an_idle_device_never_uses():
    assert loaded("import edgetender.cli.daemon, edgetender.daemon") & set(HEAVY) == set()


@pytest.mark.parametrize(
    "command", ["status", "events", "logs scorer", "history", "restart scorer", "version"]
)
def test_a_command_of_every_day_loads_what_its_answer_needs(command: str):
    code = f"from edgetender.cli import Session, run\nrun({command.split()}, Session())"
    assert loaded(code) & set(FAR) == set()
