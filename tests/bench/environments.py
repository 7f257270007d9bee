"""Where is what a bench measures and the agent does not need? In environments of their own, made on first use."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / ".bench"


def python_of(name: str, *packages: str) -> Path:
    """The interpreter of the environment *name*, which has *packages*."""
    python = BENCH / name / "bin" / "python"
    if not python.with_name(".done").exists():
        print(f"   installing {packages[0]} into .bench/{name}", flush=True)
        venv.create(BENCH / name, with_pip=True)
        subprocess.run(
            [python, "-m", "pip", "install", "-q", "--no-input", *packages],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        python.with_name(".done").touch()
    return python


def packages_of(name: str, *packages: str) -> Path:
    """The folder of its packages."""
    (found,) = python_of(name, *packages).parents[1].glob("lib/python*/site-packages")
    return found
