"""Which providers is a session asked for, and when does it count as degraded? Pure decisions."""

import pytest

from edgetender_scoring.providers import CPU, ModelUnusable, Tuning, choose, full_name, proof

CUDA, TRT, AZURE = "CUDAExecutionProvider", "TensorrtExecutionProvider", "AzureExecutionProvider"
GPU_BUILD = [TRT, CUDA, CPU]
CPU_BUILD = [AZURE, CPU]


def names(choice):
    return [name for name, _ in choice.providers]


@pytest.mark.parametrize(
    ("policy", "asked", "available", "requested", "providers", "strict"),
    [
        ("cpu", [], GPU_BUILD, CPU, [CPU], False),
        ("cpu", ["cuda"], GPU_BUILD, CPU, [CPU], False),
        ("prefer", [], GPU_BUILD, TRT, [TRT, CUDA, CPU], False),
        ("prefer", ["cuda"], GPU_BUILD, CUDA, [CUDA, CPU], False),
        ("prefer", ["cuda"], CPU_BUILD, CUDA, [CPU], False),
        ("prefer", [], CPU_BUILD, CPU, [CPU], False),
        ("require", [], GPU_BUILD, TRT, [TRT, CUDA], True),
        ("require", ["cuda", "cpu"], GPU_BUILD, CUDA, [CUDA], True),
        ("require", ["openvino", "cuda"], GPU_BUILD, "OpenVINOExecutionProvider", [CUDA], True),
    ],
)
def test_the_policy_decides_what_is_asked_for(policy, asked, available, requested, providers, strict):
    choice = choose(policy, asked, available, Tuning())

    assert (choice.requested, names(choice), choice.strict) == (requested, providers, strict)
    assert choice.strict == (CPU not in names(choice)), "the guard is illegal beside an explicit CPU provider"


@pytest.mark.parametrize("asked", [[], ["cuda"], ["misspelt"]])
def test_what_is_required_and_not_there_is_refused(asked):
    with pytest.raises(ModelUnusable, match="is required; this onnxruntime has only"):
        choose("require", asked, CPU_BUILD, Tuning())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cuda", CUDA),
        (" TensorRT ", TRT),
        (CUDA, CUDA),
        ("cpuexecutionprovider", CPU),
        ("OwnProvider", "OwnProvider"),
    ],
)
def test_providers_go_by_short_and_by_full_names(text, name):
    assert full_name(text) == name


def test_accelerators_are_told_to_be_modest_and_to_keep_what_they_build():
    tuning = Tuning(gpu_memory=1000, cache="/cache/x")
    choice = choose("prefer", [], GPU_BUILD, tuning)
    trt, cuda, cpu = (options for _, options in choice.providers)

    assert trt["trt_engine_cache_path"] == trt["trt_timing_cache_path"] == "/cache/x"
    assert (cuda["arena_extend_strategy"], cuda["gpu_mem_limit"]) == ("kSameAsRequested", "1000")
    assert cpu == {}
    assert "gpu_mem_limit" not in Tuning().options(CUDA)


@pytest.mark.parametrize(
    ("active", "assigned", "actual", "degraded", "share"),
    [
        ([TRT, CUDA, CPU], [(TRT, 3), (CPU, 1)], TRT, False, {TRT: 0.75, CPU: 0.25}),
        ([CPU], [(CPU, 4)], CPU, True, {CPU: 1.0}),
        ([TRT, CUDA, CPU], [(CPU, 2), (CPU, 2)], CPU, True, {CPU: 1.0}),
        ([CUDA, CPU], [], CUDA, True, {}),
        ([TRT, CPU], [], TRT, False, {}),
    ],
    ids=["most on it", "library missing", "there, and no node went to it", "the second choice", "not told"],
)
def test_the_proof_is_where_the_nodes_went(active, assigned, actual, degraded, share):
    found = proof(choose("prefer", [], GPU_BUILD, Tuning()), active, assigned)

    assert (found.requested, found.actual, found.degraded, dict(found.share)) == (
        TRT,
        actual,
        degraded,
        share,
    )
