"""Does a containerd without Docker take an image of the store? A real one, with its own root and socket."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.parts import busybox
from demo.parts.process import Part
from edgetender.packaging import Workspace
from edgetender.packaging.dockerfile_build import DockerfileBuilder
from tests.builders.shell import Shell
from tests.services.engine import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.engine


@pytest.fixture
def containerd(tmp_path, monkeypatch) -> Iterator[Part]:
    """ctr is told by its own variables where it is."""
    if shutil.which("containerd") is None or shutil.which("ctr") is None:
        pytest.skip("containerd is not installed: apt-get install containerd")
    if os.geteuid() != 0:
        pytest.skip("a containerd of its own needs root")
    home = tmp_path / "containerd"
    home.mkdir()
    lines = ["version = 2", f'root = "{home}/root"', f'state = "{home}/state"']
    lines += ['disabled_plugins = ["io.containerd.grpc.v1.cri"]']
    lines += [f'[{one}]\naddress = "{home}/{one}"' for one in ("grpc", "ttrpc")]
    (home / "config.toml").write_text("\n".join(lines))
    part = Part("containerd", ["containerd", "--config", home / "config.toml"], home)
    monkeypatch.setenv("CONTAINERD_ADDRESS", f"{home}/grpc")
    monkeypatch.setenv("CONTAINERD_NAMESPACE", "k8s.io")
    try:
        part.start()
        part.wait_until_ready((home / "grpc").exists)
        yield part
    finally:
        part.stop()


@pytest.fixture
def digest(tmp_path) -> str:
    """Of an image of the store, mine:1."""
    context = tmp_path / "context"
    context.mkdir()
    shutil.copy(busybox.fetch(CACHE), context / "busybox")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY busybox /bin/sh\nCMD ["/bin/sh"]\n')
    builder = DockerfileBuilder(Workspace(tmp_path / "store"), lambda _: None)
    return builder.build(context, "mine:1", platform="linux/amd64")


def ctr(*words: str) -> str:
    return subprocess.run(["ctr", *words], check=True, capture_output=True, text=True).stdout


def test_pull_gives_it_to_containerd_by_its_full_name_and_digest(containerd, digest, tmp_path, capsys):
    words = ("pull", "mine:1", "--engine", "containerd", "--store", tmp_path / "store")
    said = [Shell(capsys).run(*words) for _ in range(2)]

    assert [one.code for one in said] == [0, 0], said[0].err
    name = "docker.io/library/mine:1"
    assert [one.out.splitlines()[1] for one in said] == [
        f"Status: Downloaded newer image for {name}",
        f"Status: Image is up to date for {name}",
    ]
    assert digest in ctr("images", "ls", f"name=={name}")
    assert f"{name} " in ctr("images", "check")
    assert "complete" in ctr("images", "check")


def test_without_a_containerd_it_is_told_what_helps(digest, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CONTAINERD_ADDRESS", str(tmp_path / "none"))
    words = ("pull", "mine:1", "--engine", "containerd", "--store", tmp_path / "store")
    if shutil.which("ctr"):
        said = Shell(capsys).run(*words)
        assert said.code != 0
        assert "name it by CONTAINERD_ADDRESS" in said.err
    monkeypatch.setenv("PATH", str(tmp_path))
    said = Shell(capsys).run(*words)
    assert said.code != 0
    assert "there is no program ctr; install containerd" in said.err
