"""What was the data like? Its summary is in the image, not its rows, and the scoring server finds no drift in it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetender.errors import ConfigInvalid
from edgetender.packaging import baseline
from edgetender.packaging.base_image import from_rootfs
from edgetender_scoring.drift import LEAST_ROWS, Window, baseline_in, rows_in
from edgetender_scoring.options import BASELINE
from tests.builders import packages
from tests.builders.shell import Shell

ROWS = [{"age": float(n), "sex": n % 2, "name": "x"} for n in range(200)]


def compared(known: dict[str, Any], rows: Any) -> dict[str, dict[str, Any]]:
    """What the scoring server says of *rows*, asked as JSON."""
    window = Window(baseline_in(json.loads(json.dumps(known))))
    for row in rows_in(json.loads(json.dumps(rows))):
        window.add(row)
    return window.summary()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.json", json.dumps(ROWS)),
        ("rows.json", json.dumps({"data": ROWS})),
        ("rows.json", json.dumps({"input_data": {"columns": ["age", "sex"], "data": [[r["age"], r["sex"]] for r in ROWS]}})),
        ("rows.csv", "age,sex,name\n" + "".join(f"{r['age']},{r['sex']},x\n" for r in ROWS)),
    ],
)  # fmt: skip
def test_rows_are_read_as_people_keep_them(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = json.loads(baseline.read(tmp_path / name))
    assert (found["rows"], sorted(found["features"])) == (200, ["age", "sex"])
    assert found["features"]["age"]["mean"] == pytest.approx(99.5)
    assert found["features"]["age"]["shares"] == pytest.approx([0.1] * 10)
    assert found["features"]["sex"]["shares"] == [0.0, 0.5, 0.5, 0.0]


@settings(max_examples=25)
@given(st.lists(st.integers(-5, 5) | st.floats(-1e9, 1e9), min_size=LEAST_ROWS, max_size=256))
def test_the_data_itself_is_no_drift(values: list[float]) -> None:
    known = baseline.baseline_of({"0": value} for value in values)
    assert compared(known, [[value] for value in values])["0"]["psi"] < 0.05


@settings(max_examples=25)
@given(st.floats(-1e6, 1e6))
def test_what_was_always_the_same_and_is_another_value_is_drift(value: float) -> None:
    known = baseline.baseline_of({"0": value} for _ in range(50))
    for other in (value + abs(value) + 1, value - abs(value) - 1):
        assert compared(known, [[other]] * 200)["0"]["psi"] > 1


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_data_of_the_same_kind_is_no_drift_and_moved_by_a_deviation_it_is(seed: int) -> None:
    rng = random.Random(seed)
    known = baseline.baseline_of({"0": rng.gauss(10, 2)} for _ in range(1000))
    same, moved = ([[rng.gauss(mean, 2)] for _ in range(250)] for mean in (10, 12))
    assert compared(known, same)["0"]["psi"] < 0.2
    assert compared(known, moved)["0"]["psi"] > 0.3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("{}", "holds no rows"),
        ("[[1]]", "no column has 20 numbers"),
        (json.dumps([[1] * 65] * 20), "65 columns of numbers; at most 64"),
        (json.dumps([["a"]] * 20), "no column has 20 numbers"),
    ],
)
def test_what_is_no_baseline_is_refused_with_what_helps(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(ConfigInvalid, match=said):
        baseline.read(tmp_path / "rows.json")
    with pytest.raises(ConfigInvalid, match="No such file"):
        baseline.read(tmp_path / "none.csv")


def test_the_image_has_it_where_the_server_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    words = [
        str(tmp_path / "weights.bin"), "--entry-script", str(tmp_path / "score.py"), "--name", "diabetes",
        "--base", f"oci:{tmp_path / 'base'}", "--output", f"oci:{tmp_path / 'image'}",
        "--store", str(tmp_path / "store"), "--server-source", str(packages.server_source(tmp_path)),
        "--baseline", str(tmp_path / "rows.json"),
    ]  # fmt: skip
    done = Shell(capsys).run("package", *words)
    assert done.code == 0, done.err
    assert baseline.NAME == BASELINE
    assert f"var/azureml-app/{BASELINE}" in packages.members(tmp_path / "image", -1)
