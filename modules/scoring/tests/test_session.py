"""On which provider does a model open where one of them cannot be had? With a runtime that refuses some."""

from pathlib import Path

import pytest

from edgetender_scoring.providers import ModelUnusable, Tuning, choose
from edgetender_scoring.session import opened_on

TRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"


class Runtime:
    """A runtime of which some providers cannot be had; `asked` is what each session was asked for."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.asked = refused, []

    def InferenceSession(self, file, options, *, providers, enable_fallback):  # noqa: N802
        assert enable_fallback == 0
        self.asked.append((options, [name for name, _ in providers]))
        for name, _ in providers:
            if name in self.refused:
                raise RuntimeError(f"no library of {name}\nmore")
        return dict(providers)


def opened(runtime, policy, asked=("tensorrt", "cuda"), gpu_memory=2_000_000_000):
    choice = choose(policy, asked, (TRT, CUDA, CPU), Tuning(gpu_memory))
    return opened_on(runtime, "net", Path("net.onnx"), choice, lambda: len(runtime.asked))


def test_a_provider_that_cannot_be_had_is_left_for_the_next_which_is_told_the_same_as_ever(caplog):
    runtime = Runtime(TRT)

    session = opened(runtime, "prefer")

    assert session[CUDA]["gpu_mem_limit"] == "2000000000"
    assert runtime.asked == [(0, [TRT, CUDA, CPU]), (1, [CUDA, CPU])]
    assert f"{TRT} cannot run it: no library of {TRT}; trying {CUDA}" in caplog.text


def test_the_cpu_is_what_is_left_of_what_was_preferred():
    assert list(opened(Runtime(TRT, CUDA), "prefer")) == [CPU]


def test_what_is_required_and_cannot_be_had_is_refused_with_its_own_reason():
    with pytest.raises(ModelUnusable, match=f"{TRT} is required, and cannot run it: no library of {TRT}$"):
        opened(Runtime(TRT), "require", ["tensorrt"])


def test_of_several_that_would_do_the_next_is_taken_and_never_the_cpu():
    assert list(opened(Runtime(TRT), "require")) == [CUDA]
    with pytest.raises(ModelUnusable, match=f"no library of {TRT}$"):
        opened(Runtime(TRT, CUDA), "require")


def test_what_the_cpu_cannot_run_is_refused_without_a_word_of_accelerators():
    with pytest.raises(ModelUnusable, match=r"^model 'net' cannot be loaded: no library"):
        opened(Runtime(CPU), "cpu")
