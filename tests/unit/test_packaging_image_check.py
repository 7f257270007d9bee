"""Does looking into an image find what is there, and is it judged by the profile that was asked for?"""

import json

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.packaging import oci_layout
from edgetender.packaging.base_catalogue import CATALOGUE, default_for, named
from edgetender.packaging.image_facts import look
from edgetender.packaging.image_policy import judge
from edgetender.packaging.layer import Entry, pack

DEBIAN = {
    "usr/lib/os-release": 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    "usr/lib/x86_64-linux-gnu/libc.so.6": "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
    "usr/bin/python3.11": "",
}
DOCUMENTS = {
    "etc/os-release": 'ID=ubuntu\nVERSION_ID="16.04"\nPRETTY_NAME="Ubuntu 16.04.6 LTS"\n',
    "lib/x86_64-linux-gnu/libc-2.23.so": "GNU C Library (Ubuntu GLIBC 2.23-0ubuntu11) stable release version 2.23, by",
    "opt/miniconda/bin/python3.6": "",
    "opt/miniconda/conda-meta/conda-4.5.11-py36_0.json": "{}",
    "usr/local/cuda-10.0/bin/nvcc": "",
}


def image(folder, *layers, env=(), architecture="amd64"):
    """An image of these files, in a layout."""
    packed = [
        pack(
            [Entry(path, text.encode(), mode=0o644) for path, text in files.items()], folder / "blobs/sha256"
        )
        for files in layers
    ]
    config = {
        "architecture": architecture, "os": "linux", "config": {"Env": list(env)},
        "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in packed]},
    }  # fmt: skip
    made = oci_layout.put_image(folder / "blobs/sha256", config, tuple(packed))
    oci_layout.write(made, folder / "layout")
    return made


def verdicts(made, profile):
    return {one.what: (one.found, one.fits) for one in judge(look(made), profile)}


def test_what_is_in_the_layers_is_found(tmp_path):
    found = verdicts(image(tmp_path, DEBIAN, env=["CUDA_VERSION=12.6.3"]), "edgetender")

    assert found["os"] == ("Debian GNU/Linux 12", True)
    assert found["glibc"] == ("2.36", True)
    assert found["python"] == ("3.11 (/usr/bin/python3.11)", True)
    assert found["cuda"] == ("12.6.3", None)


def test_the_documents_profile_wants_what_the_documents_say(tmp_path):
    found = verdicts(image(tmp_path, DOCUMENTS), "azureml-2019")

    assert {what: fits for what, (_, fits) in found.items() if fits is not None} == {
        "os": True,
        "python": True,
        "conda": True,
    }
    assert (found["conda"][0], found["cuda"][0]) == ("4.5.11", "10.0")
    today = verdicts(image(tmp_path / "two", DOCUMENTS), "edgetender")
    assert (today["glibc"], today["python"][1]) == (("2.23", False), False)
    assert verdicts(image(tmp_path / "three", DEBIAN), "azureml-2019")["os"] == ("Debian GNU/Linux 12", False)


def test_a_later_layer_counts(tmp_path):
    made = image(tmp_path, DEBIAN, {"usr/bin/.wh.python3.11": "", "usr/local/bin/python3.13": ""})

    assert look(made).pythons == {"/usr/local/bin/python3.13": "3.13"}


def test_musl_and_jetson_are_told_by_name(tmp_path):
    facts = look(
        image(
            tmp_path,
            {"lib/ld-musl-x86_64.so.1": "", "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID"},
        )
    )

    assert (facts.musl, facts.glibc, facts.l4t) == (True, None, "36.4.3")


def test_the_command_exits_7_for_what_does_not_fit(tmp_path, capsys):
    image(tmp_path, DOCUMENTS)
    reference = f"oci:{tmp_path / 'layout'}"

    assert (
        run(["image", "check", reference, "--profile", "azureml-2019", "--store", str(tmp_path)], Session())
        == 0
    )
    assert "Ubuntu 16.04.6 LTS" in capsys.readouterr().out
    assert run(["image", "check", reference, "--store", str(tmp_path), "-o", "json"], Session()) == 7
    answer = json.loads(capsys.readouterr().out)
    assert (answer["fits"], answer["facts"]["conda"]) == (False, "4.5.11")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mcr.microsoft.com/azureml/o16n-sample-user-base/ubuntu-miniconda", "base"),
        ("mcr.microsoft.com/azureml/onnxruntime:v0.4.0", "onnxruntime-cpu"),
        ("mcr.microsoft.com/azureml/onnxruntime:v0.4.0-cuda10.0-cudnn7", "onnxruntime-cuda"),
        ("mcr.microsoft.com/azureml/onnxruntime:v0.4.0-tensorrt19.03", "onnxruntime-tensorrt"),
        ("python", "python"),
    ],
)
def test_the_documents_images_are_known_by_their_full_names(text, name):
    assert named(text).name == name


def test_microsofts_gpu_images_carry_their_licence_and_every_default_fits_its_architecture():
    gpu = [one for one in CATALOGUE if one.of_the_documents and one.accelerator != "cpu"]

    assert gpu
    assert all("Azure services only" in one.licence for one in gpu)
    assert default_for("cpu", "arm64").name == "python"
    assert default_for("jetpack", "amd64") is None
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE)
