"""The transport over an IoT Hub, with the SDK: it pins paho-mqtt below 2, so it has a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AZURE = ROOT / ".venv" / "azure"
SUITES = (
    "test_transport.py",
    "test_transport_iothub.py",
    "test_transport_iothub_links.py",
    "test_transport_iothub_outage.py",
    "test_transport_iothub_reports.py",
    "test_transport_iothub_provisioning.py",
)


@pytest.mark.timeout(900)  # a session of its own
@pytest.mark.skipif(not AZURE.is_dir(), reason="the SDK is not in .venv/azure; ./run test puts it there")
def test_the_contract_holds_over_an_iot_hub_with_the_unmodified_sdk() -> None:
    quiet = (
        "-W", "ignore:ssl.PROTOCOL_TLSv1_2 is deprecated:DeprecationWarning",  # the SDK speaks nothing newer
        "-W", "ignore::ResourceWarning",  # and leaves sockets to the garbage collector
    )  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-k", "iothub", "-p", "no:cacheprovider", *quiet,
         *(str(Path(__file__).with_name(suite)) for suite in SUITES)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(AZURE), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )  # fmt: skip
    assert child.returncode == 0, child.stdout[-6000:] + child.stderr[-2000:]
    assert " passed" in child.stdout
    assert " skipped" not in child.stdout
