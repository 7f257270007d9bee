"""Of which class a failure is, and so how long it is remembered."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgetender.decide.failures import marked, stands
from edgetender.decide.look import look_at
from edgetender.model.ledger import Death, Demotion, Ledger
from tests.builders.hardware import gpu, machine
from tests.builders.machines import RECORDINGS
from tests.builders.manifests import image
from tests.fakes.clock import NOON

HOST = machine(gpu(uuid="GPU-1"), nvidia_driver="550.1", cuda="12.4")
EXITED = Demotion("m", "trt", image("trt"), "exited with code 1", NOON, "container.exited")


def class_of(exit_code: int, *last_words: str) -> Demotion:
    death = Death(NOON, exit_code, f"exited with code {exit_code}", last_words)
    (found,) = marked(Ledger(demotions=(EXITED,), deaths={"m": death}), look_at(HOST), NOON).demotions
    return found


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        ("[TRT] [E] 6: The engine plan file is generated on an incompatible device, expecting compute 8.0 got compute 8.9, please rebuild.", "engine_mismatch", "gpu"),
        ("CUDA error 209: no kernel image is available for execution on the device", "no_kernel_image", "gpu"),
        ("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "driver_too_old_for_image", "driver"),
        ("the provided PTX was compiled with an unsupported toolchain.", "ptx_too_new", "driver"),
        ("system has unsupported display driver / cuda driver combination", "driver_library_mismatch", "driver"),
        ("Failed to initialize NVML: Driver/library version mismatch", "driver_library_mismatch", "driver"),
        ("forward compatibility was attempted on non supported HW", "forward_compatibility_unsupported", "driver"),
        ("CUDA failure 2: out of memory ; GPU=0", "cuda_out_of_memory", "cpu+driver+engine+gpu"),
        ("CRITICAL edgetender_scoring: cannot serve: TensorrtExecutionProvider is required; this onnxruntime has only CPUExecutionProvider", "provider_not_in_image", ""),
        ("cannot run it: … Please install TensorRT libraries as mentioned in the GPU requirements page", "library_missing", "engine"),
        ("Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file", "library_missing", "engine"),
        ("Traceback (most recent call last):", "exited", "cpu+driver+engine+gpu"),
    ],
)  # fmt: skip
def test_the_last_words_of_a_container_tell_the_class(words: str, code: str, part: str):
    found = class_of(1, "INFO loading", words, "INFO ending")
    assert (found.code, found.part) == (code, part)
    assert (found.until is not None) == (code in ("exited", "cuda_out_of_memory"))  # the rest is certain


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"the recordings are not in {RECORDINGS}")
def test_the_recorded_words_of_tensorrt_are_known():
    for line in (RECORDINGS / "text/tensorrt-engine-errors.jsonl").read_text().splitlines():
        assert class_of(1, json.loads(line)["text"]).code == "engine_mismatch"


def test_the_reason_ends_with_its_last_words_without_what_a_log_puts_before_them():
    said = "2026-11-26 11:01:50,617 CRITICAL edgetender_scoring: cannot serve: no such provider"
    assert class_of(3, "INFO loading", said, "\x1b[m", "").reason == (
        "exited with code 1: cannot serve: no such provider"
    )
    assert class_of(3, "x" * 500).reason == "exited with code 1: " + "x" * 200
    assert class_of(3).reason == class_of(3, " ", "\x1b[0m").reason == "exited with code 1"
    other = replace(EXITED, code="engine.toolkit_missing", reason="no toolkit")
    death = Death(NOON, 3, "exited with code 3", (said,))
    (found,) = marked(Ledger(demotions=(other,), deaths={"m": death}), look_at(HOST), NOON).demotions
    assert found.reason == "no toolkit"


def test_how_a_process_was_ended_says_more_than_its_words():
    assert class_of(132, "no kernel image is available").code == "illegal_instruction"


def test_a_mismatch_is_forgotten_with_another_card_and_with_nothing_else():
    found = class_of(1, "expecting compute 8.0 got compute 8.9, please rebuild")
    assert stands(found, look_at(HOST))
    assert stands(found, look_at(machine(gpu(uuid="GPU-1"), nvidia_driver="580.1", cuda="13.0")))
    other = machine(gpu(uuid="GPU-2", compute_capability="8.0"), nvidia_driver="550.1", cuda="12.4")
    assert not stands(found, look_at(other))
    assert stands(replace(found, part=""), look_at(other))  # what only another image can mend
