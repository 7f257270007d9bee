"""What all sweeps stand on: daemons that start in milliseconds, and how many points a run may take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault(
    "EDGETENDER_FAULTS_PATIENCE", "4"
)  # all tests share one machine; the sweeps alone do not

from tests.faults import shim, sweep
from tests.faults.device import Zygote
from tests.faults.scenarios import Lived


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    if reason := shim.why_not():
        pytest.skip(reason)
    with Zygote() as started:
        yield started


@pytest.fixture(scope="session")
def measures(zygote: Zygote) -> dict[str, Lived]:
    """Each story lived without a fault."""
    return sweep.measured(zygote)


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose sockets' paths are short enough."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="et-") as folder:
        yield Path(folder)
