"""Are the recipes for bases of one's own sound text, and do devices learn from their labels what they ask for?"""

from __future__ import annotations

import json

import pytest

from edgetender.decide.implied import traits_of
from edgetender.model.image import ImageFacts, ImageTraits
from edgetender.packaging import Workspace
from edgetender.packaging.base_catalogue import named
from edgetender.packaging.docker_steps import steps
from edgetender.packaging.dockerfile_build import DockerfileBuilder
from edgetender.packaging.recipes import ALIASES, NAMES, RECIPES, dockerfile, recipe
from tests.builders.hardware import gpu, machine
from tests.builders.shell import Shell
from tests.builders.verdicts import verdict

ALL = [(one.name, architecture) for one in RECIPES for architecture in one.architectures]


def traits(tmp_path, name: str, architecture: str) -> ImageTraits:
    """What an agent reads of the image, whose base and commands are left out here."""
    text = dockerfile(recipe(name), architecture)
    plain = [line for line in text.splitlines() if not line.startswith(("FROM", "RUN", "COPY"))]
    (tmp_path / "Dockerfile").write_text("\n".join(["FROM scratch", *plain]))
    ws = Workspace(tmp_path / "ws")
    DockerfileBuilder(ws, lambda _: None).build(
        tmp_path, "mine:1", platform=f"linux/{architecture}", builder="direct"
    )
    run = ws.images.get("mine:1").image.config["config"]
    labels = tuple(run.get("Labels", {}).items())
    env = tuple(run.get("Env", ()))
    return traits_of(ImageFacts("sha256:1", "sha256:1", architecture, "", "linux", 1, (), env, labels))


@pytest.mark.parametrize(("name", "architecture"), ALL)
def test_a_recipe_begins_with_the_catalogues_image_pins_its_runtime_and_ends_without_root(name, architecture):
    found = steps(dockerfile(recipe(name), architecture))
    words = [word for _, word, _ in found]

    assert found[0][1:] == ("FROM", named(recipe(name).base).reference)
    assert set(words) <= {"FROM", "USER", "RUN", "COPY", "ENV", "LABEL"}
    assert found[-1][1:] == ("USER", "65532:65532")
    installed = " ".join(rest for _, word, rest in found if word == "RUN")
    assert "numpy==" in installed
    assert ("onnxruntime" in installed and "==" in recipe(name).runtime) or recipe(name).wheel
    assert "pip install --no-cache-dir" in installed
    assert architecture in named(recipe(name).base).architectures


CUDA13 = {"cuda": "13.0", "nvidia_driver": "580.65"}


@pytest.mark.parametrize(
    ("name", "architecture", "facts", "capability", "expected"),
    [
        ("cuda", "amd64", CUDA13, "8.6", "true"),
        ("cuda", "amd64", CUDA13, "6.1", "false no_kernel_image"),
        ("cuda", "amd64", {"cuda": "12.4", "nvidia_driver": "550.54"}, "8.6", "false driver_too_old_for_image"),
        ("cuda", "arm64", CUDA13, "9.0", "true"),
        ("cuda", "arm64", CUDA13, "8.7", "false no_kernel_image"),
        ("cuda12", "amd64", {"cuda": "12.4", "nvidia_driver": "550.54"}, "8.6", "true"),
        ("cuda12", "amd64", {"cuda": "12.4", "nvidia_driver": "550.54"}, "6.1", "true"),
        ("cuda12", "amd64", {"cuda": "12.4", "nvidia_driver": "550.54"}, "12.0", "true"),
        ("cuda12", "amd64", {"cuda": "11.4", "nvidia_driver": "470.82"}, "8.6", "false driver_too_old_for_image"),
        ("tensorrt", "amd64", CUDA13, "7.0", "false no_kernel_image"),
        ("jetpack", "arm64", {"cuda": "12.6"}, "8.7", "true"),
        ("jetpack", "arm64", {"cuda": "12.6"}, "11.0", "false no_kernel_image"),
    ],
)  # fmt: skip
def test_a_device_whose_driver_or_card_does_not_fit_refuses_what_is_made_by_it(
    tmp_path, name, architecture, facts, capability, expected
):
    card = gpu(compute_capability=capability, kind="integrated" if name == "jetpack" else "discrete")
    host = machine(card, arch=architecture, **facts)
    assert verdict({"accelerator": "nvidia"}, host, traits=traits(tmp_path, name, architecture)) == expected


def test_openvino_asks_nothing_of_nvidia(tmp_path):
    found = traits(tmp_path, "openvino", "amd64")
    assert (found.require, found.sass, found.ptx) == ((), (), ())


def test_it_is_printed_or_written_with_the_licence_said(tmp_path, capsys):
    shell = Shell(capsys)
    printed = shell.run("image", "recipe", "cuda")
    assert printed.out == dockerfile(recipe("cuda13"), "amd64")
    assert "NVIDIA Deep Learning Container License" in printed.err

    said = shell.run("image", "recipe", "jetpack", "--output", tmp_path / "base")
    assert (tmp_path / "base/Dockerfile").read_text() == dockerfile(recipe("jetpack6"), "arm64")
    assert "put ONNX Runtime's wheel for python3.11 into" in said.err
    assert f"docker build --tag mybase:jetpack6 {tmp_path / 'base'}" in said.err
    assert shell.run("image", "recipe", "jetpack", "--output", tmp_path / "base").code == 0
    (tmp_path / "base/Dockerfile").write_text("FROM mine\n")
    refused = shell.run("image", "recipe", "jetpack", "--output", tmp_path / "base")
    assert (refused.code, "there is another one" in refused.err) == (1, True)

    document = json.loads(shell.run("image", "recipe", "tensorrt", "-o", "json").out)
    assert (document["kind"], document["platform"]) == ("BaseImageRecipe", "linux/amd64")


def test_a_platform_it_is_not_for_is_told(capsys):
    said = Shell(capsys).run("image", "recipe", "cuda12", "--platform", "linux/arm64")
    assert (said.code, "cuda12 is for amd64 only, not for arm64" in said.err) == (6, True)
    assert set(ALIASES) < set(NAMES)
