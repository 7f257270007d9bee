"""How busy the cards are is asked of the driver in a child, and costs nothing where there is none."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.probes.gpu_figures import GpuFigures, figures
from edgetender.probes.programs import Answer, Children, no_programs
from edgetender.probes.tree import Tree
from tests.builders.machines import write
from tests.builders.nvidia import BOX, NVML_STUB


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to make a library with")
def test_a_card_says_how_busy_how_full_and_how_hot_it_is(tmp_path: Path) -> None:
    root = write(tmp_path / "root", BOX)
    library = root / "usr/lib64/libnvidia-ml.so.1"
    library.parent.mkdir(parents=True)
    (tmp_path / "stub.c").write_text(NVML_STUB)
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "stub.c")), check=True)
    assert GpuFigures(Tree(root), Children(), lambda: True)() == {
        "gpus": {
            "GPU-1": {
                "utilizationRatio": 0.37,
                "memoryTotalBytes": 2**31,
                "memoryUsedBytes": 0,
                "temperatureCelsius": 61,
            }
        }
    }


def test_without_a_card_or_without_its_library_nobody_is_asked(tmp_path: Path) -> None:
    tree = Tree(write(tmp_path, BOX))
    assert GpuFigures(tree, no_programs, lambda: False)() == {}
    assert GpuFigures(tree, no_programs, lambda: True)() == {}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(code="probe_timeout"),
        Answer("{", 0),
        Answer("[]", 0),
        Answer('{"error": 15}', 0),
        Answer('{"devices": [{"error": 15}, {"uuid": "GPU-1"}, 3]}', 0),
        Answer('{"devices": [{"uuid": "GPU-1", "busy": "x"}]}', 0),
    ],
)
def test_what_a_driver_cannot_say_is_left_out(answer: Answer) -> None:
    assert dict(figures(answer)) == {}


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda one: st.lists(one) | st.dictionaries(st.sampled_from(["devices", "uuid", "busy", "memory", "free"]), one)))  # fmt: skip
def test_no_answer_is_an_exception(document: object) -> None:
    dict(figures(Answer(json.dumps(document), 0)))
