"""Do both kinds of package give the same image? The real server on a Debian base, in a real engine."""

import gzip
import json
from dataclasses import replace
from hashlib import sha256
from tarfile import REGTYPE

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import ConfigInvalid
from edgetender.packaging import Workspace, oci_layout
from edgetender.packaging.build_context import write
from edgetender.packaging.dockerfile import MICROMAMBA
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.packager import Order, Packager
from tests.services.packaged import BASE, SCRIPT, of_engine, serving, tree

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("with_base", ["FROM a name", "ADD the base's layers"])
def test_docker_build_of_the_folder_gives_the_same_tree_the_same_settings_and_the_same_answers(
    packaged, engine_socket, tmp_path, with_base
):
    _, _, assembled = packaged
    engine = Engine(engine_socket)
    base_name = "base.test/debian:12" if with_base.startswith("FROM") else None
    if base_name:
        engine.load(assembled.base, base_name)
    engine.load(assembled.image, "kinds.test/direct:1")
    write(assembled, tmp_path / "context", base_name=base_name, steps=None, tag="kinds.test/docker:1")
    said = []

    engine.build(tmp_path / "context", "kinds.test/docker:1", said.append)

    (one, direct), (other, built) = (
        of_engine(engine, f"kinds.test/{kind}:1") for kind in ("direct", "docker")
    )
    assert {
        path: (direct.get(path), built.get(path))
        for path in direct.keys() | built.keys()
        if direct.get(path) != built.get(path)
    } == {}
    settings = ("Entrypoint", "User", "WorkingDir", "ExposedPorts", "StopSignal", "Labels")
    assert {key: one[key] for key in settings} == {key: other[key] for key in settings}
    assert sorted(one["Env"]) == sorted(other["Env"])
    assert not other.get("Cmd")
    assert any("Successfully built" in line for line in said)
    body = json.dumps({"data": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}).encode()
    answers = []
    for kind in ("direct", "docker"):
        with serving(engine, f"kinds.test/{kind}:1") as ask:
            answers.append((ask("/score", body), ask("/")))
    assert answers == [(b"[55,55]", b"Healthy")] * 2


def test_steps_are_run_by_the_engine_and_the_server_stays_the_server(packaged, engine_socket, tmp_path):
    folder, config, _ = packaged
    source = folder / "source"
    (source / "steps").write_text(
        'RUN echo "made by a step" > /etc/step && chmod 755 /etc/step\nENV STEP=1\nUSER nobody\n'
    )
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    order = Order((), replace(config, extra_docker_file_steps="steps"), "kinds.test/steps:1")
    said = []

    built = Packager(ws, said.append).image(order)

    image = oci_layout.read(built.layout)
    settings = image.config["config"]
    assert settings["Entrypoint"] == ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"]
    assert (settings["User"], "STEP=1" in settings["Env"]) == ("65532:65532", True)
    assert "packaging kinds.test/steps:1 for linux/amd64, builder docker" in said
    found = tree(
        gzip.decompress(oci_layout.blob(image.blobs, layer.digest).read_bytes()) for layer in image.layers
    )
    assert found["etc/step"][1:4] == (0o755, 0, 0)
    assert found["var/azureml-app/score.py"][-1] == sha256(SCRIPT.encode()).hexdigest()


def test_conda_packages_are_installed_by_micromamba_in_a_stage_of_its_own(packaged, engine_socket, tmp_path):
    """The real micromamba image cannot be had here: one of its name stands in, that makes a prefix like conda's."""
    folder, config, assembled = packaged
    engine = Engine(engine_socket)
    engine.load(assembled.base, "base.test/debian:12")
    standin = tmp_path / "standin"
    standin.mkdir()
    (standin / "Dockerfile").write_text("FROM base.test/debian:12\nCOPY micromamba /usr/bin/micromamba\n")
    (standin / "micromamba").write_text(
        '#!/bin/sh\n[ "$1" = clean ] && exit\nmkdir -p "$4/bin" && cp "$6" "$4" && ln -s /usr/bin/python3.11 "$4/bin/python"\n'
    )
    (standin / "micromamba").chmod(0o755)
    engine.build(standin, MICROMAMBA, lambda _: None)
    source = folder / "source"
    (source / "conda.yml").write_text("dependencies: [python=3.11, libblas, {pip: [orjson]}]\n")
    changed = replace(config, requirements_file=None, conda_file="conda.yml")
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)

    built = Packager(ws).image(Order((), changed, "kinds.test/conda:1"))

    assert oci_layout.read(built.layout).config["config"]["Entrypoint"][0] == "/opt/environment/bin/python"
    with serving(engine, "kinds.test/conda:1") as ask:
        assert ask("/score", b'{"data": [[1, 2]]}') == b"[3]"
    with pytest.raises(ConfigInvalid, match="--builder docker"):
        Packager(ws).image(Order((), changed, "kinds.test/conda:2", builder="direct"))
    (source / "conda.yml").write_text("dependencies: [libblas]\n")
    with pytest.raises(ConfigInvalid, match=r"name its version, like python=3\.12"):
        Packager(ws).image(Order((), changed, "kinds.test/conda:3"))


def test_what_is_ignored_goes_to_no_engine_and_a_step_with_a_pattern_to_one(
    packaged, engine_socket, tmp_path, monkeypatch
):
    _, _, assembled = packaged
    Engine(engine_socket).load(assembled.base, "base.test/debian:12")
    monkeypatch.setenv("DOCKER_HOST", engine_socket)
    context = tmp_path / "context"
    for name in ("app.py", "keys/id.pem", "data/deep/b.csv"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / "Dockerfile").write_text("FROM base.test/debian:12\nCOPY . /srv/\nCOPY *.py /also/\n")
    (context / ".dockerignore").write_text(".*\nDockerfile\nkeys\n**/deep/*\n!data/deep/b.csv\n")

    assert (
        run(["build", str(context), "--image", "ignoring:1", "--store", str(tmp_path / "store")], Session())
        == 0
    )

    _, found = of_engine(Engine(engine_socket), "ignoring:1")
    below = {
        path for path, entry in found.items() if path.startswith(("srv/", "also/")) and entry[0] == REGTYPE
    }
    assert below == {"srv/app.py", "srv/data/deep/b.csv", "also/app.py"}
