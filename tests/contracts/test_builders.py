"""Who builds a Dockerfile that runs commands? Docker, podman by the same API, BuildKit by docker's own program."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from tarfile import REGTYPE

import pytest

from demo.parts import busybox
from edgetender.packaging import Workspace, oci_layout
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.packager import Order, Packager
from edgetender.packaging.recipes import RECIPES, base_of, recipe
from tests.builders.shell import Shell
from tests.services.engine import CACHE
from tests.services.packaged import BASE, of_engine

pytestmark = pytest.mark.engine
SMALL = "FROM scratch\nCOPY busybox /bin/sh\n"
PLAIN = f"{SMALL}RUN echo word > /made\n"
CACHED = f"{SMALL}RUN --mount=type=cache,target=/kept \\\n    echo word > /made\n"
HEREDOC = f"{SMALL}RUN <<EOF\necho word > /made\nEOF\n"


@pytest.fixture
def shell(capsys) -> Shell:
    return Shell(capsys)


def build(shell: Shell, tmp_path: Path, text: str, name: str):
    context = tmp_path / "context"
    context.mkdir(exist_ok=True)
    shutil.copy(busybox.fetch(CACHE), context / "busybox")
    (context / "Dockerfile").write_text(text)
    return shell.run("build", context, "--image", name, "--store", tmp_path / "store")


def made(socket: str, name: str) -> bool:
    _, found = of_engine(Engine(socket), name)
    return found.get("made", (None,))[0] == REGTYPE


@pytest.mark.parametrize("text", [PLAIN, CACHED], ids=["RUN", "RUN --mount"])
def test_podman_builds_it_by_dockers_api(podman_socket, tmp_path, shell, monkeypatch, text):
    monkeypatch.setenv("DOCKER_HOST", podman_socket)

    said = build(shell, tmp_path, text, "mine:1")

    assert said.code == 0, said.err
    assert "STEP 3/3: RUN" in said.err
    assert made(podman_socket, "mine:1")
    image = Workspace(tmp_path / "store").images.get("mine:1").image
    told = [Engine(podman_socket).give(image, f"given:{len(text)}") for _ in range(2)]
    assert [words.split(" for ")[0] for words in told] == ["Downloaded newer image", "Image is up to date"]


def test_podman_runs_the_steps_of_a_package(packaged, podman_socket):
    folder, config, assembled = packaged
    (folder / "source" / "podmans").write_text("RUN echo word > /made\n")
    ws = Workspace(folder / "store", base=str(BASE), engine=podman_socket)
    order = Order((), replace(config, extra_docker_file_steps="podmans"), "kinds.test/podman:1")

    built = Packager(ws).image(order)

    image = oci_layout.read(built.layout)
    assert image.config["config"]["Entrypoint"] == ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"]
    with oci_layout.opened(image, image.layers[len(assembled.base.layers) + 1]) as tar:
        assert "made" in [member.name for member in tar]


def _docker_with_buildkit() -> str:
    """A folder with a docker program that has BuildKit's client: an older one, or with buildx."""
    for folder in ("/usr/bin", "/usr/local/bin"):
        if Path(folder, "docker").exists():
            said = subprocess.run(
                [f"{folder}/docker", "--version"], capture_output=True, text=True, check=False
            )
            if said.stdout.startswith(("Docker version 20.", "Docker version 19.")):
                return folder
    pytest.skip("no docker program with BuildKit's client is installed: apt-get install docker.io")


@pytest.fixture
def docker_program(tmp_path, monkeypatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(Path(_docker_with_buildkit(), "docker"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")


@pytest.fixture
def docker_engine(engine_socket, monkeypatch) -> str:
    monkeypatch.setenv("DOCKER_HOST", engine_socket)
    return engine_socket


def test_what_only_buildkit_reads_is_built_by_dockers_own_program(
    docker_program, docker_engine, tmp_path, shell
):
    said = build(shell, tmp_path, CACHED, "cached:1")

    assert said.code == 0, said.err
    assert "RUN --mount=type=cache" in said.err
    assert made(docker_engine, "cached:1")
    failed = build(shell, tmp_path, f"{SMALL}RUN --mount=type=cache,target=/kept nosuch\n", "cached:2")
    assert (failed.code, "nosuch: not found" in failed.err, "BuildKit says:" in failed.err) == (1, True, True)


def test_without_a_program_for_it_each_line_is_named_with_what_helps(
    docker_engine, tmp_path, shell, monkeypatch
):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    said = build(shell, tmp_path, f"{CACHED}COPY --chmod=755 Dockerfile /x\n", "none:1")
    assert said.code == 6
    for line in (
        "Dockerfile:3: RUN --mount needs BuildKit: install docker's buildx",
        "Dockerfile:5: COPY --chmod",
    ):
        assert line in said.err


def test_an_engine_too_old_for_here_documents_is_told_before_it_tries(
    docker_program, docker_engine, tmp_path, shell
):
    name, version = Engine(docker_engine).version()
    if version >= (23,):
        pytest.skip("this engine reads here-documents")
    said = build(shell, tmp_path, HEREDOC, "here:1")
    assert (name, said.code) == ("docker", 6)
    assert "Dockerfile:3: RUN << needs docker 23 or newer" in said.err


@pytest.mark.parametrize("name", [one.name for one in RECIPES])
def test_a_recipe_is_built_upon_a_stand_in_of_the_vendors_image(docker_engine, tmp_path, shell, name):
    """The vendors' images cannot be had here: busybox stands in, with an apt and a Python that write down the call."""
    one, base = recipe(name), tmp_path / "base"
    base.mkdir()
    shutil.copy(busybox.fetch(CACHE), base / "busybox")
    (base / "noted").write_text('#!/bin/sh\necho "${0##*/} $*" >> /calls\n')
    (base / "noted").chmod(0o755)
    (base / "passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    names = ("apt-get", "python3", "python3.11")
    copies = [f"COPY noted /bin/{program}\n" for program in names]
    text = f"{SMALL}COPY busybox /bin/rm\n{''.join(copies)}COPY passwd /etc/\n"
    (base / "Dockerfile").write_text(text + "ENV PATH=/bin\n")
    platform = f"linux/{one.architectures[0]}"
    if platform != "linux/amd64":
        pytest.skip(f"nothing of {platform} runs here")
    Engine(docker_engine).build(base, base_of(one).reference, lambda _: None)
    context = tmp_path / "recipe"
    assert shell.run("image", "recipe", name, "--output", context).code == 0

    said = shell.run("build", context, "--image", f"mine-{name}:1", "--store", tmp_path / "store")

    assert said.code == 0, said.err
    run = Workspace(tmp_path / "store").images.get(f"mine-{name}:1").image.config["config"]
    assert run["User"] == "65532:65532"
    assert ("io.edgetender.sass" in (run.get("Labels") or {})) == (name != "openvino")
