"""Is a saved package built again, without an engine, to the image it was saved from?"""

import json
import tarfile
from hashlib import sha256

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.packaging import InferenceConfig, Workspace, oci_layout
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.model_store import from_path
from edgetender.packaging.packager import Order, Packager
from tests.builders import packages


@pytest.fixture
def ws(tmp_path, monkeypatch):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/score.py").write_text(packages.SCRIPT)
    (tmp_path / "source/latest").symlink_to("score.py")
    (tmp_path / "weights.bin").write_bytes(b"w")
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "ws"))
    return Workspace(base=f"oci:{tmp_path / 'base'}", server_source=packages.server_source(tmp_path))


def order(tmp_path):
    config = InferenceConfig("score.py", source_directory=str(tmp_path / "source"))
    return Order((from_path(tmp_path / "weights.bin", "m"),), config, "mine:1")


def files(image):
    found = {}
    for layer in image.layers:
        with tarfile.open(oci_layout.blob(image.blobs, layer.digest)) as tar:
            for one in tar:
                content = sha256(tar.extractfile(one).read()).hexdigest() if one.isreg() else one.linkname
                found[one.name] = (one.type, one.mode, one.uid, one.mtime, content)
    return found


def test_the_folder_gives_the_image_it_was_made_beside(ws, tmp_path, capsys):
    packager = Packager(ws)
    direct = oci_layout.read(packager.image(order(tmp_path)).layout)
    packager.context(order(tmp_path), tmp_path / "imagefiles")

    assert run(["build", str(tmp_path / "imagefiles"), "--image", "again:1", "-o", "json"], Session()) == 0
    said = capsys.readouterr()
    built = ws.images.get("again:1").image

    assert files(built) == files(direct)
    assert (
        built.layers[: len(direct.layers) - 2] == direct.layers[:-2]
    )  # base, environment, server: the same blobs
    for key in ("Entrypoint", "User", "WorkingDir", "ExposedPorts", "StopSignal", "Labels"):
        assert built.config["config"][key] == direct.config["config"][key]
    assert sorted(built.config["config"]["Env"]) == sorted(direct.config["config"]["Env"])
    assert json.loads(said.out)["digest"] == built.digest
    assert "COPY azureml-app/ /var/azureml-app/" in said.err
    assert f"Run ID: {json.loads(said.out)['runId']} was successful after" in said.err


def test_a_base_by_name_is_looked_for_where_bases_are(ws, tmp_path, capsys):
    with ws.images.making("mybase:1") as place:
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    context = tmp_path / "context"
    context.mkdir()
    (context / "tool").write_text("#!/bin/sh\n")
    (context / "Dockerfile").write_text(
        'FROM mybase:1\nCOPY tool /usr/bin/\nENV A=1 B="two words"\nENV OLD form\nWORKDIR /srv\nEXPOSE 80\nCMD ["tool"]\n'
    )

    assert run(["build", str(context), "--image", "tool:1"], Session()) == 0
    config = ws.images.get("tool:1").image.config["config"]
    assert {"A=1", "B=two words", "OLD=form"} <= set(config["Env"])
    assert (config["WorkingDir"], config["ExposedPorts"], config["Cmd"]) == ("/srv", {"80/tcp": {}}, ["tool"])
    assert "usr/bin/tool" in files(ws.images.get("tool:1").image)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("FROM mybase:1\nRUN true\n", 6, "Dockerfile:2: RUN needs an engine"),
        ("FROM a AS b\nFROM c\n", 6, "has other than one FROM"),
        ("FROM scratch\nENV A=$B\n", 6, "Dockerfile:2: ENV needs an engine"),
        ("FROM scratch\nCOPY nowhere /x\n", 6, "nowhere is not in the context"),
        ("FROM scratch\nCOPY ../secret /x\n", 6, "../secret is not in the context"),
    ],
)
def test_what_cannot_be_done_without_an_engine_is_named_with_its_line(ws, tmp_path, capsys, text, code, said):
    context = tmp_path / "context"
    context.mkdir()
    (tmp_path / "secret").write_text("")
    (context / "Dockerfile").write_text(text)

    assert run(["build", str(context), "--image", "x:1", "--builder", "direct"], Session()) == code
    assert said in capsys.readouterr().err


def test_a_folder_without_a_dockerfile_is_named(ws, tmp_path, capsys):
    assert run(["build", str(tmp_path / "source"), "--image", "x:1"], Session()) == 4
    assert run(["build", str(tmp_path), "--image", "x:1:2"], Session()) == 4
