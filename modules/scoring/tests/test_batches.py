"""In which sizes do batches run where each change of size costs time, and what does a trial on a card find?"""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="numpy is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
onnx_models = pytest.importorskip("modules.scoring.tests.onnx_models", reason="onnx is not installed")

from edgetender_scoring.batches import Sizes, allow_batches, sizes_for  # noqa: E402  after the skips
from edgetender_scoring.inference import ModelHandler  # noqa: E402
from edgetender_scoring.message import Request  # noqa: E402
from edgetender_scoring.nocode_score import ScoreCodec  # noqa: E402
from edgetender_scoring.onnx_model import load, one_thread_may_do  # noqa: E402
from edgetender_scoring.providers import Wanted  # noqa: E402


class Doubler:
    """Doubles; `sizes`: how many rows each run had."""

    def __init__(self):
        self.sizes = []

    def run(self, feeds, wanted):
        self.sizes.append(len(feeds["x"]))
        return [feeds["x"] * 2]


@pytest.mark.parametrize(
    ("alone_s", "full_s", "change_s", "fixed", "few"),
    [
        pytest.param(0.23e-3, 0.27e-3, 2.7e-3, 32, 1, id="a small CNN by CUDA on an H100"),
        pytest.param(0.88e-3, 4.75e-3, 39.5e-3, 32, 5, id="a ResNet-18 by CUDA on an H200"),
        pytest.param(1.4e-3, 6e-3, 0.1e-3, 0, 1, id="an engine that was built for all sizes"),
        pytest.param(0.20e-3, 0.80e-3, -0.01e-3, 0, 1, id="no convolutions, and some noise"),
    ],
)
def test_batches_are_filled_up_where_another_size_costs_more_than_more_rows(
    alone_s, full_s, change_s, fixed, few
):
    found = sizes_for(alone_s, full_s, change_s, 32)
    assert (found.fixed, found.few) == (fixed, few)


def test_company_is_filled_up_and_only_when_few_come_for_a_while_each_runs_alone():
    card = Sizes(32, few=3)
    assert [card.of(rows) for rows in (1, 3, 5, 1)] == [1, 1, 32, 32]
    assert [card.of(3) for _ in range(9)] == [32] * 7 + [1, 1]


def test_what_is_larger_than_a_batch_or_empty_runs_as_it_is():
    assert [Sizes(32).of(rows) for rows in (0, 33, 32)] == [0, 33, 32]


def test_where_sizes_cost_nothing_each_batch_runs_as_large_as_it_is():
    run = Doubler().run
    assert Sizes().filled(run) == run


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(1, 4))
def test_filling_up_changes_no_answer_and_few_sizes_run(lengths, few):
    model = Doubler()
    run = Sizes(4, few).filled(model.run)
    for length in lengths:
        rows = np.arange(length * 2.0).reshape(length, 2)
        (answer,) = run({"x": rows}, ("y",))
        assert np.array_equal(answer, rows * 2)
    assert set(model.sizes) <= {1, 4, 5, 6}


def test_inputs_of_different_lengths_or_without_rows_run_as_they_are():
    model = Doubler()
    run = Sizes(4).filled(model.run)
    run({"x": np.zeros((2, 2)), "y": np.zeros((3, 2))}, ())
    run({"x": np.zeros((2, 2)), "y": np.array(1.0)}, ())
    assert model.sizes == [2, 2]


@pytest.fixture
def on_a_card(tmp_path):
    """A model that says it runs on a card."""
    onnx_models.mlp(tmp_path / "mlp.onnx", features=4)
    model = load("mlp", "1", tmp_path / "mlp.onnx", Wanted(threads=1))
    model.proof = replace(model.proof, actual="CUDAExecutionProvider")
    return model


def test_on_a_card_the_largest_batch_is_tried_before_it_is_served(on_a_card, caplog):
    caplog.set_level("INFO")
    allow_batches(on_a_card, 16)
    assert on_a_card.max_batch == 16
    assert on_a_card.sizes.fixed in (0, 16)
    assert "a row alone takes" in caplog.text


class OfLittleMemory:
    """A model on a card that holds eight rows."""

    def __init__(self, model):
        self._model = model

    def __getattr__(self, name):
        return getattr(self._model, name)

    def run(self, feeds, wanted=None):
        if len(feeds["x"]) > 8:
            raise RuntimeError("Failed to allocate memory for requested buffer")
        return self._model.run(feeds, wanted)


def test_a_card_that_cannot_hold_the_largest_batch_has_none(on_a_card, caplog):
    model = OfLittleMemory(on_a_card)
    allow_batches(model, 16)
    assert model.max_batch == 1
    assert "16 rows do not run: Failed to allocate memory" in caplog.text


def test_a_model_is_opened_with_one_thread_again_on_the_cpu_only(tmp_path):
    onnx_models.mlp(tmp_path / "mlp.onnx", features=4)
    model = load("mlp", "1", tmp_path / "mlp.onnx", Wanted(threads=2))
    assert one_thread_may_do(model)
    model.proof = replace(model.proof, actual="CUDAExecutionProvider")
    assert not one_thread_may_do(model)


def test_requests_that_run_together_filled_up_are_answered_as_alone(on_a_card):
    requests = [
        Request("POST", b"/score", b"", keep_alive=True, body=b"[[%d,2,3,4]]" % one) for one in range(5)
    ]
    alone = [ModelHandler(on_a_card, ScoreCodec()).call(one).body for one in requests]
    on_a_card.max_batch, on_a_card.sizes = 16, Sizes(16)
    together = [one.body for one in ModelHandler(on_a_card, ScoreCodec()).call_many(requests)]
    assert np.allclose([json.loads(one) for one in alone], [json.loads(one) for one in together], rtol=1e-4)
