"""What an image asks of the device by itself, before it is pulled; and what the tables exclude."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgetender.decide.checked import Truth
from edgetender.decide.implied import satisfied, traits_of
from edgetender.decide.replay import explained
from edgetender.decide.resolving import resolve
from edgetender.errors import ManifestInvalid
from edgetender.model.compat import builtin, kernel_image_missing
from edgetender.model.image import ImageFacts, ImageTraits
from edgetender.model.ledger import Ledger
from edgetender.model.reading import manifest_of
from tests.builders.hardware import gpu, machine, variant
from tests.builders.machines import RECORDINGS
from tests.builders.manifests import manifest, slot
from tests.builders.verdicts import verdict


def facts(**more: Any) -> ImageFacts:
    given = {"architecture": "amd64", "variant": "", "os": "linux", "download_bytes": 1, "layers": ()} | more
    return ImageFacts("sha256:1", "sha256:1", **given)


def test_an_image_of_another_architecture_is_refused_before_it_is_pulled():
    assert verdict({}, machine(), traits=traits_of(facts(architecture="386"))) == "false wrong_architecture"
    arm = machine(arch="arm64")
    assert (
        verdict({}, arm, traits=traits_of(facts(architecture="arm", variant="v7")))
        == "false wrong_architecture"
    )


def test_an_image_built_for_a_level_needs_that_level():
    traits = traits_of(facts(variant="v3"))
    assert verdict({}, machine(x86_level="v2"), traits=traits) == "false wrong_architecture"
    assert verdict({}, machine(x86_level="v3"), traits=traits) == "true"


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings")
def test_nvidia_s_conditions_hold_as_recorded():
    lines = (RECORDINGS / "text/nvidia-require-cuda.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        host = record["host"]
        held = satisfied(record["env"], host["cuda"], host["driver"], brand=host.get("brand"))
        assert (held is Truth.TRUE) is record["satisfied"], record


def test_a_brand_s_alternative_helps_that_brand_only():
    text = "cuda>=12.4 brand=tesla,driver>=535,driver<536"
    assert satisfied(text, "12.2", "535.104.05", brand="Tesla") is Truth.TRUE
    assert satisfied(text, "12.2", "535.104.05", brand="GeForce") is Truth.FALSE
    assert satisfied(text, "12.2", "535.104.05") is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        (("NVIDIA_REQUIRE_CUDA=cuda>=12.8",), "false driver_too_old_for_image"),
        (("NVIDIA_REQUIRE_CUDA=cuda>=12.8", "NVIDIA_DISABLE_REQUIRE=true"), "true"),
        (("CUDA_VERSION=12.8.1",), "false driver_too_old_for_image"),
        (("CUDA_VERSION=11.8.0",), "true"),
        (("NVIDIA_REQUIRE_JETPACK=csv-mounts=all",), "true"),
        (
            ("NVIDIA_REQUIRE_CUDA=cuda>=9.0", "NVIDIA_REQUIRE_ARCH=arch>=9.0"),
            "false driver_too_old_for_image",
        ),
        (("NVIDIA_REQUIRE_CUDA=%&/(",), "true"),
    ],
)
def test_an_image_s_environment_asks_for_a_driver(env: tuple[str, ...], expected: str):
    host = machine(gpu(), cuda="12.4", nvidia_driver="550.144.03")
    assert verdict({"accelerator": "nvidia"}, host, traits=traits_of(facts(env=env))) == expected


def test_an_image_of_the_cpu_is_not_held_to_nvidia_s_conditions():
    traits = traits_of(facts(env=("NVIDIA_REQUIRE_CUDA=cuda>=12.8",)))
    assert verdict({}, machine(gpu(), cuda="12.4"), traits=traits) == "true"


@pytest.mark.parametrize(
    ("cc", "kind", "sass", "expected"),
    [
        ("8.6", "discrete", "7.5 8.0 9.0", True),
        ("8.7", "integrated", "8.0 8.9 9.0", False),
        ("8.7", "integrated", "8.7", True),
        ("6.1", "discrete", "7.5 8.0", False),
        ("8.6", "discrete", "8.9", False),
        ("12.1", "discrete", "12.0", True),
    ],
)
def test_an_image_without_code_for_the_card_is_refused(cc: str, kind: str, sass: str, expected: bool):
    traits = traits_of(facts(labels=(("io.edgetender.sass", sass),)))
    host = machine(gpu(compute_capability=cc, kind=kind))
    assert (verdict({"accelerator": "nvidia"}, host, traits=traits) == "true") is expected


def test_ptx_is_compiled_for_a_newer_card():
    assert not kernel_image_missing("9.0", ("7.5",), ("8.0",), integrated=False)
    assert kernel_image_missing("7.5", ("8.0",), ("9.0",), integrated=False)


# --- the tables ---


def test_what_is_newer_than_the_tables_is_assumed_to_fit():
    assert builtin().cuda_of_driver("999.1").low  # type: ignore[union-attr]
    assert builtin().cuda_dropped("13.9", "14.0") == ""
    assert builtin().tensorrt_excluded("13.9", "12.0") == ""


@pytest.mark.parametrize(
    ("cc", "cuda", "excluded"),
    [
        ("6.1", "13.0", True),
        ("6.1", "12.9", False),
        ("8.9", "11.8", False),
        ("7.0", "13.0", True),
    ],
)
def test_a_card_that_a_cuda_has_dropped_is_excluded(cc: str, cuda: str, excluded: bool):
    assert bool(builtin().cuda_dropped(cc, cuda)) is excluded


@pytest.mark.parametrize(
    ("cc", "tensorrt", "excluded"),
    [
        ("6.1", "10.0", True),
        ("7.0", "10.4", False),
        ("7.0", "10.5", True),
        ("7.5", "11.3", False),
        ("6.1", "8.6", False),
    ],
)
def test_a_card_that_a_tensorrt_does_not_know_is_excluded(cc: str, tensorrt: str, excluded: bool):
    assert bool(builtin().tensorrt_excluded(cc, tensorrt)) is excluded


def test_the_table_of_onnx_runtime_knows_what_its_wheels_hold():
    assert builtin().onnxruntime("1.31.1", "amd64")["ptx"] == []  # type: ignore[index]
    assert builtin().onnxruntime("1.28", "amd64")["cuda"] == "13.0"  # type: ignore[index]
    assert builtin().onnxruntime("1.15", "amd64") is None


def test_traits_hold_only_what_is_asked_for():
    made = traits_of(
        facts(env=("PATH=/bin", "SECRET=x", "CUDA_VERSION=12.0"), labels=(("io.edgetender.ptx", "9.0"),))
    )
    assert made == ImageTraits("amd64", "", ("CUDA_VERSION=12.0",), (), ("9.0",), 1)


PASCAL, VOLTA = gpu(compute_capability="6.1"), gpu(compute_capability="7.0")
DRIVER = {"cuda": "13.0", "nvidia_driver": "580.65.06"}


@pytest.mark.parametrize(
    ("card", "env", "provider", "expected"),
    [
        (PASCAL, "CUDA_VERSION=13.0.1", "CUDAExecutionProvider", "false card_not_supported"),
        (PASCAL, "CUDA_VERSION=12.9.1", "CUDAExecutionProvider", "true"),
        (gpu(compute_capability="12.0"), "CUDA_VERSION=12.4.1", "CUDAExecutionProvider", "true"),  # by PTX, perhaps
        (gpu(compute_capability="99.0"), "CUDA_VERSION=13.0.1", "CUDAExecutionProvider", "true"),  # not in the tables
        (gpu(compute_capability=None), "CUDA_VERSION=13.0.1", "CUDAExecutionProvider", "true"),
        (VOLTA, "TRT_VERSION=10.5.0.18", "TensorrtExecutionProvider", "false card_not_supported"),
        (VOLTA, "TRT_VERSION=10.4.0.26", "TensorrtExecutionProvider", "true"),
        (VOLTA, "TRT_VERSION=10.5.0.18", "CUDAExecutionProvider", "true"),  # it lies there unused
    ],
)  # fmt: skip
def test_a_card_that_the_image_s_cuda_or_tensorrt_has_dropped_is_not_tried(card, env, provider, expected):
    traits = traits_of(facts(env=(env,)))
    asked = {"accelerator": "nvidia"}
    assert verdict(asked, machine(card, **DRIVER), traits=traits, provider=provider) == expected


def test_who_switches_nvidia_s_conditions_off_switches_the_tables_off():
    traits = traits_of(facts(env=("CUDA_VERSION=13.0.1", "NVIDIA_DISABLE_REQUIRE=1")))
    assert verdict({"accelerator": "nvidia"}, machine(PASCAL, **DRIVER), traits=traits) == "true"


def test_a_manifest_may_bring_tables_newer_than_the_agent():
    document = manifest(1, m={"variants": [variant("cuda", {"accelerator": "nvidia", "cuda": ">=14.2"})]})
    host = machine(gpu(), cuda="14.0", nvidia_driver="700.10")
    newer = document | {"compat": {"cuda_to_driver": {"14": "700.5"}}}
    blocked = [
        resolve(slot(one), manifest_of(one), host, Ledger()).blocked for one in (document, newer, document)
    ]
    assert [bool(each) for each in blocked] == [True, False, True]  # it holds for its own manifest alone
    body = json.dumps(newer).encode()
    assert explained("m", host, Ledger(), body)["chosen"] == "cuda"


@pytest.mark.parametrize(
    ("compat", "why"),
    [
        ({"tegra": {}}, "no table 'tegra' is read from a manifest"),
        ({"compute_capability": [{"max_cuda": "14"}]}, "no compatibility tables"),
        ({"compute_capability": 3}, "no compatibility tables"),
        ({"cuda_to_driver": [1]}, "no compatibility tables"),
        ({"tensorrt": [{"from": "12"}]}, "no compatibility tables"),
        ({"compute_capability": [{"cc": "14.0", "max_cuda": "new", "tensorrt": "!"}]}, "no compatibility tables"),
    ],
)  # fmt: skip
def test_tables_of_a_manifest_that_are_none_reject_it_with_their_path(compat: Any, why: str):
    with pytest.raises(ManifestInvalid) as caught:
        manifest_of(manifest(1, m={"variants": [variant("cuda")]}) | {"compat": compat})
    (problem,) = caught.value.problems
    assert problem.path == "compat"
    assert why in problem.message
