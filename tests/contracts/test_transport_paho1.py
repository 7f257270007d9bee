"""The MQTT transport under paho-mqtt 1.6: azure-iot-device pins it below 2, so users meet both majors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAHO_1 = ROOT / ".venv" / "paho1"
HERE = "test_transport_paho1.py"


def version_with(path: str) -> str:
    program = "import paho.mqtt; print(paho.mqtt.__version__, paho.mqtt.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.broker
@pytest.mark.timeout(900)  # a session of its own
def test_the_same_contract_holds_with_paho_1_6() -> None:
    if not PAHO_1.is_dir():
        pytest.skip("paho-mqtt 1.6 is not in .venv/paho1; ./run test puts it there")
    version, place = version_with(str(PAHO_1)).split()
    assert version.startswith("1.6.")
    assert Path(place).is_relative_to(PAHO_1)
    suites = sorted(
        str(path) for path in Path(__file__).parent.glob("test_transport*.py") if path.name != HERE
    )
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "4", "-k", "mqtt", "-p", "no:cacheprovider", *suites],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(PAHO_1)},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert child.returncode == 0, child.stdout[-4000:] + child.stderr[-2000:]
    assert " passed" in child.stdout
    assert " skipped" not in child.stdout or "mosquitto is not installed" in child.stdout
