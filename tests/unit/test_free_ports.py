"""Who else may be given the port that a test or the demo was given, and binds only later?"""

from __future__ import annotations

import subprocess
import sys

import pytest

from demo.parts.process import claim, free_port


def test_a_port_that_was_given_is_given_to_nobody_else() -> None:
    port = free_port()
    with pytest.raises(OSError, match="in use"):
        claim(port)
    elsewhere = f"from demo.parts.process import claim; claim({port})"
    asked = subprocess.run([sys.executable, "-c", elsewhere], capture_output=True, check=False, timeout=60)
    assert b"in use" in asked.stderr


def test_a_port_is_free_again_when_its_process_has_ended() -> None:
    given = "from demo.parts.process import free_port; print(free_port())"
    port = subprocess.run([sys.executable, "-c", given], capture_output=True, check=True, timeout=60).stdout
    claim(int(port))
