"""Is an ONNX model checked, optimised only where that holds, and given one answer to compare with?"""

import json
import platform
import subprocess
import sys

import pytest

from edgetender.errors import ConfigInvalid
from edgetender.packaging.model_store import from_path
from edgetender.packaging.onnx_preparation import instruction_set, prepare
from tests.builders import onnx_models

onnx = pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime comes with the extra onnx")
HERE = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
ELSEWHERE = "linux/arm64" if HERE == "linux/amd64" else "linux/amd64"


@pytest.fixture
def prepared(tmp_path):
    def made(path, policy="auto", target=HERE, place="prepared", **more):
        said = []
        found = prepare(from_path(path, "net", 3), target, policy, tmp_path / place, said.append, **more)
        return found, said

    return made


def answer(path, feeds):
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feeds)


def test_the_optimised_file_goes_beside_the_original_and_answers_the_same(prepared, tmp_path):
    import numpy as np

    path = onnx_models.mlp(tmp_path / "net.onnx")
    found, said = prepared(path)
    entries = {
        entry.path: entry.content for entry in found.entries(from_path(path, "net", 3), "app", "app/models")
    }

    assert set(entries) == {"app/models/net/3/net.optimized.onnx", "app/golden.json"}
    rows = {"x": np.ones((4, 10), np.float32)}
    assert np.allclose(answer(path, rows)[0], answer(entries["app/models/net/3/net.optimized.onnx"], rows)[0])
    kept = onnx.load(entries["app/models/net/3/net.optimized.onnx"])
    assert len(kept.graph.node) < 5  # the constant part is folded
    assert found.labels == {
        "io.edgetender.optimized-for": HERE.split("/")[1],
        "io.edgetender.golden": "golden.json",
    }
    assert said == [f"net:3 optimised by ONNX Runtime {ort.__version__}"]
    assert found.runtime == ort.__version__


def test_preparing_twice_gives_the_same_bytes(prepared, tmp_path):
    path = onnx_models.mlp(tmp_path / "net.onnx")
    first, second = (prepared(path, place=place)[0] for place in ("one", "two"))

    assert first.golden == second.golden
    assert first.beside["net.optimized.onnx"].read_bytes() == second.beside["net.optimized.onnx"].read_bytes()
    assert first.beside["net.optimized.onnx"] != second.beside["net.optimized.onnx"]


def test_the_golden_answer_is_the_models_own_in_the_form_of_score(prepared, tmp_path):
    import numpy as np

    path = onnx_models.mlp(tmp_path / "net.onnx")
    golden = json.loads(prepared(path)[0].golden)

    wanted = answer(path, {"x": np.array(golden["request"]["data"], np.float32)})[0]
    assert np.array_equal(np.array(golden["response"], np.float32), wanted)
    both = json.loads(prepared(onnx_models.sum_and_difference(tmp_path / "two.onnx"))[0].golden)
    assert both["request"] == {"a": [[0, 0]], "b": [[0, 0]]}
    assert both["response"] == {"sum": [[0, 0]], "difference": [[0, 0]]}


def test_a_sample_of_ones_own_takes_the_place_of_a_made_up_one(prepared, tmp_path):
    path = onnx_models.sum_and_difference(tmp_path / "two.onnx")
    (tmp_path / "sample.json").write_text('{"a": [[5, 6]], "b": [[1, 2]]}')
    found, _ = prepared(path, sample=tmp_path / "sample.json")

    assert json.loads(found.golden)["response"] == {"sum": [[6, 8]], "difference": [[4, 4]]}
    for wrong in (
        '{"a": [[5, 6]]}',
        "no json",
        '{"a": [["x"]], "b": [[1]]}',
        '{"a": [[1, 2, 3]], "b": [[1, 2]]}',
    ):
        (tmp_path / "sample.json").write_text(wrong)
        with pytest.raises(ConfigInvalid, match="--sample"):
            prepared(path, sample=tmp_path / "sample.json")


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="ONNX Runtime lays convolutions out anew on x86 only"
)
def test_what_holds_for_one_kind_of_processor_stays_behind_unless_asked_for(prepared, tmp_path):
    path = onnx_models.convolution(tmp_path / "net.onnx")
    left, said = prepared(path)
    taken, _ = prepared(path, "native")

    assert left.beside == {}
    assert left.golden is not None
    assert "--optimize native" in said[0]
    assert set(taken.beside) == {"net.optimized.onnx"}
    assert taken.labels["io.edgetender.optimized-for"] == instruction_set()
    domains = {node.domain for node in onnx.load(taken.beside["net.optimized.onnx"]).graph.node}
    assert "com.microsoft.nchwc" in domains


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": "off"}, None),
        ({"target": ELSEWHERE}, "this machine is no"),
        ({"accelerator": "cuda"}, None),
    ],
)
def test_nothing_is_optimised_for_what_is_not_here(prepared, tmp_path, changes, words):
    found, said = prepared(onnx_models.mlp(tmp_path / "net.onnx"), **changes)

    assert found.beside == {}
    assert found.golden is not None
    assert [words in line for line in said] == ([True] if words else [])


def test_a_file_that_is_no_model_is_refused_with_the_checkers_words(prepared, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model at all")
    with pytest.raises(ConfigInvalid, match=r"MODEL: net\.onnx: ") as caught:
        prepared(tmp_path / "net.onnx")
    assert caught.value.problems[0].code == "onnx.invalid"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/labels.txt").write_text("one")
    with pytest.raises(ConfigInvalid, match=r"holds 0 \.onnx files"):
        prepared(tmp_path / "folder")


def test_a_model_in_a_folder_keeps_its_optimised_file_beside_it(prepared, tmp_path):
    (tmp_path / "folder/inner").mkdir(parents=True)
    onnx_models.mlp(tmp_path / "folder/inner/net.onnx")
    found, _ = prepared(tmp_path / "folder")

    assert [entry.path for entry in found.entries(from_path(tmp_path / "folder", "net", 3), "app", "m")] == [
        "m/net/3/folder/inner/net.optimized.onnx", "app/golden.json",
    ]  # fmt: skip


def test_without_onnx_runtime_the_model_is_packaged_as_it_is(tmp_path):
    program = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from pathlib import Path\n"
        "from edgetender.packaging.model_store import Model\n"
        "from edgetender.packaging.onnx_preparation import prepare\n"
        "print(prepare(Model('net', 1, Path('x'), ''), 'linux/amd64', 'auto', Path('.'), print))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (
        done.stdout
        == "net:1 is packaged as it is: to check and optimise it, install edgetender[onnx]\nNone\n"
    )
