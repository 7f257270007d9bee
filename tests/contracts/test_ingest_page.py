"""Do the pages' ways of speaking to the agent from a container work as they stand there?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.engine import REPOSITORY
from tests.services.ingest_site import Site, serving

PAGES = REPOSITORY / "docs/how-to"
MEANS = {"sh": ["bash", "-ec"], "python": [sys.executable, "-Werror", "-c"]}


def ways(page: str) -> list[tuple[str, str]]:
    """The blocks of *page* that are for a container: what runs them, and their text."""
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    return [(means, text) for means, text in blocks if "EDGETENDER_MESSAGES" in text]


def done(means: str, text: str, site: Site) -> None:
    own = os.environ | {"EDGETENDER_MESSAGES": str(site.open())}
    said = subprocess.run(
        [*MEANS[means], text], env=own, capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 0, said.stderr


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="edgetender-") as root, serving(Path(root) / "messages") as site:
        yield site


@pytest.mark.parametrize(("means", "text"), ways("send-messages.md"), ids=["sh", "python"])
def test_a_way_of_the_page_brings_a_message_in(site: Site, means: str, text: str) -> None:
    done(means, text, site)
    ((topic, body),) = site.queued
    assert (topic, json.loads(body)["data"]) == ("telemetry/scorer/alarms", {"level": 3})


def test_the_page_s_way_of_asking_for_time_is_heard(site: Site) -> None:
    ((means, text),) = ways("choose-when-to-update.md")
    done(means, text, site)
    assert site.wishes == [("scorer", {"for_s": 600, "reason": "batch"})]
