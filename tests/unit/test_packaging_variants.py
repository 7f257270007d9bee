"""Do variants and platforms come out of one command, best first, pinned, and each with what it needs?"""

import json
from pathlib import Path

import pytest
import yaml

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import ConfigInvalid
from edgetender.model.manifest import Variant
from edgetender.packaging import oci_layout
from edgetender.packaging.accelerators import adapted, settings
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.environment import Spec
from edgetender.packaging.variants import read_bases
from tests.builders import packages


@pytest.fixture
def words(tmp_path):
    for machine in ("amd64", "arm64"):
        from_rootfs(packages.rootfs(tmp_path, machine), tmp_path / machine)
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w")
    for name in ("onnxruntime", "onnxruntime_gpu"):
        packages.wheel(tmp_path, name, "1.0", f"NAME = {name!r}")
    (source / "requirements.txt").write_text(f"--no-index\n--find-links={tmp_path}\nonnxruntime==1.0\n")
    return [
        "package", str(tmp_path / "weights.bin"), "--name", "m", "--entry-script", "score.py", "--source-dir", str(source),
        "--requirements", "requirements.txt", "--store", str(tmp_path / "store"), "-t", "reg.example/defect:1.4",
        "--server-source", str(packages.server_source(tmp_path)),
        "--base", f"oci:{tmp_path / 'amd64'}", "--base", f"@linux/arm64=oci:{tmp_path / 'arm64'}",
    ]  # fmt: skip


def env_of(layout, platform):
    return dict(
        pair.split("=", 1) for pair in oci_layout.read(Path(layout), platform).config["config"]["Env"]
    )


def test_all_variants_for_all_platforms_come_out_of_one_command(words, capsys):
    words += ["--variant", "cpu", "--variant", "cuda", "--platform", "linux/amd64,linux/arm64"]
    code = run([*words, "-o", "json"], Session())
    said = capsys.readouterr()
    assert code == 0, said.err
    document = json.loads(said.out)

    assert [Variant.model_validate(one).name for one in document["variants"]] == ["cuda", "cpu"]
    assert [one.get("requires") for one in document["variants"]] == [{"accelerator": "nvidia"}, None]
    for one, image in zip(document["variants"], document["images"], strict=True):
        assert one["image"] == f"reg.example/defect@{image['digest']}"
        assert set(image["sizeBytes"]) == {"linux/amd64", "linux/arm64/v8"}
    cuda, cpu = (image["output"] for image in document["images"])
    for platform in ("linux/amd64", "linux/arm64"):
        assert env_of(cuda, platform)["EDGETENDER_SCORING_ACCELERATOR"] == "require"
        assert "EDGETENDER_SCORING_ACCELERATOR" not in env_of(cpu, platform)
    names = [
        packages.content(Path(one), 1, f"opt/environment/{module}.py")
        for one, module in ((cuda, "onnxruntime_gpu"), (cpu, "onnxruntime"))
    ]
    assert names == [b"NAME = 'onnxruntime_gpu'", b"NAME = 'onnxruntime'"]
    assert (
        json.loads((Path(cpu) / "index.json").read_bytes())["manifests"][1]["platform"]["architecture"]
        == "arm64"
    )


def test_people_get_the_block_for_the_manifest(words, capsys):
    assert run([*words, "--variant", "cpu"], Session()) == 0
    block = capsys.readouterr().out

    (entry,) = yaml.safe_load(block)["variants"]
    assert entry["name"] == "cpu"
    assert entry["requires"] == {"arch": "amd64"}
    assert "# reg.example/defect:1.4-cpu: linux/amd64 " in block
    assert "\n    image: reg.example/defect@sha256:" in block


def test_several_platforms_without_a_variant_are_one_index(words, capsys):
    assert run([*words, "--platform", "linux/amd64,linux/arm64", "-o", "json"], Session()) == 0
    first = json.loads(capsys.readouterr().out)
    assert run([*words, "--platform", "linux/amd64,linux/arm64", "-o", "json"], Session()) == 0

    assert json.loads(capsys.readouterr().out) == first
    assert [one["name"] for one in first["variants"]] == ["default"]


def test_what_goes_not_together_is_said_before_anything_is_made(words, capsys):
    assert run([*words, "--variant", "cpu", "--generate-dockerfile"], Session()) == 6
    err = capsys.readouterr().err
    assert "--generate-dockerfile: is for one variant" in err
    assert "--output: is required" in err
    assert run([*words, "--variant", "abacus"], Session()) == 6


def test_the_more_closely_named_base_goes_first():
    bases = read_bases(["plain", "cuda=nv", "@linux/arm64=arm", "cuda@linux/arm64=jet", "oci:/odd=name"][:4])

    assert bases.of("cuda", "linux/arm64") == "jet"
    assert bases.of("cuda", "linux/amd64") == "nv"
    assert bases.of("cpu", "linux/arm64") == "arm"
    assert bases.of("cpu", "linux/amd64") == "plain"
    assert read_bases(["./odd=name"]).of("cpu", "linux/amd64") == "./odd=name"
    with pytest.raises(ConfigInvalid, match="given already"):
        read_bases(["one", "two"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("onnxruntime==1.31.1", "onnxruntime-gpu[cuda,cudnn]==1.31.1"),
        ("onnxruntime", "onnxruntime-gpu[cuda,cudnn]"),
        ("OnnxRuntime >= 1", "onnxruntime-gpu[cuda,cudnn] >= 1"),
        ("onnxruntime-extensions==1", "onnxruntime-extensions==1"),
        ("numpy", "numpy"),
    ],
)
def test_the_plain_onnx_runtime_gives_way_to_the_accelerators(line, expected):
    assert adapted(Spec((line,)), "cuda").requirements == (expected,)
    assert adapted(Spec((line,)), "cpu").requirements == (line,)


def test_a_gpu_that_is_only_enabled_is_preferred_and_a_variants_is_required():
    assert settings("cuda", required=False)["EDGETENDER_SCORING_ACCELERATOR"] == "prefer"
    assert settings("tensorrt", required=True)["EDGETENDER_SCORING_PROVIDERS"] == "tensorrt,cuda"
    assert settings("cpu", required=True) == {}
