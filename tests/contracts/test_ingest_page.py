"""Do the page's two ways of sending a message work as they stand there?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.contracts.test_ingest import serving
from tests.services.engine import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/send-messages.md").read_text()
MEANS = {"sh": ["bash", "-ec"], "python": [sys.executable, "-Werror", "-c"]}
WAYS = [
    (means, text)
    for means, text in re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    if "EDGETENDER_MESSAGES" in text
]


@pytest.mark.parametrize(("means", "text"), WAYS, ids=[means for means, _ in WAYS])
def test_a_way_of_the_page_brings_a_message_in(means: str, text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="edgetender-") as root, serving(Path(root) / "messages") as site:
        own = os.environ | {"EDGETENDER_MESSAGES": str(site.open())}
        done = subprocess.run(
            [*MEANS[means], text], env=own, capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0, done.stderr
        ((topic, body),) = site.queued
    assert (topic, json.loads(body)["data"]) == ("telemetry/scorer/alarms", {"level": 3})
