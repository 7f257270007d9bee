"""The traffic switch's image as `./run` builds it: an archive below .demo/, kept between runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from demo import front_image
from tests.services.engine import REPOSITORY


@pytest.fixture(scope="session")
def front_archive() -> Path:
    """`front.tar`; skips where it is not there and cannot be built."""
    home = REPOSITORY / ".demo" / "front"
    if not (home / "front.tar").exists() and shutil.which("debootstrap", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("the front image needs debootstrap: apt-get install debootstrap")
    try:
        return front_image.ensure(home)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"the front image cannot be built here: {error}")
