"""A machine with a fake NVIDIA card, and an agent of its own process on it, on a real engine."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.parts.dockerd import Dockerd
from demo.parts.process import free_port
from demo.parts.registry import Registry
from demo.parts.waiting import until
from edgetender.api.client import Client, Unreachable
from tests.builders.hardware import variant
from tests.builders.machines import write
from tests.builders.nvidia import BOX, CUDA_STUB

AGENT = Path(__file__).parents[2] / "agent"
CARD = "0000:01:00.0"
LIBCUDA = "usr/lib/x86_64-linux-gnu/libcuda.so.1"
HANGING = "#!/bin/sh\nsleep 600\n"
CUDA, CPU = (
    variant("cuda", {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5"}}),
    variant("cpu"),
)


@pytest.fixture
def pinned(registry: Registry, engine_image: str, engine_socket: str) -> str:
    """The probe image by digest, known to the engine."""
    name = f"{registry.host}/team/gpu-probe"
    with contextlib.closing(docker.APIClient(base_url=engine_socket, timeout=60)) as client:
        client.tag(engine_image, name, tag="1")
        user, password = next(iter(registry.users.items()))
        login = {"username": user, "password": password}
        said = list(client.push(name, tag="1", stream=True, decode=True, auth_config=login))
    (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
    return f"{name}@{digest}"


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A machine with one card, its driver, and a libcuda that is asked for real."""
    root = write(
        tmp_path / "root", BOX | {"proc/sys/kernel/arch": platform.machine() + "\n", "dev/hailo0": ""}
    )
    (root / "sys/bus/pci/drivers/nvidia").mkdir(parents=True)
    (root / f"sys/bus/pci/devices/{CARD}/driver").symlink_to("../../drivers/nvidia")
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make a libcuda with")
    library(root, init=0)
    return root


def library(root: Path, *, init: int) -> None:
    """A libcuda whose cuInit returns *init*, in the place of any other."""
    there, made, source = root / LIBCUDA, root.parent / "libcuda.so.1", root.parent / "stub.c"
    source.write_text(CUDA_STUB % {"init": init})
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(made), str(source)), check=True)
    there.parent.mkdir(parents=True, exist_ok=True)
    made.replace(there)  # whoever has the other one open keeps it


@pytest.fixture
def nvidia_runtime(own_engine: Dockerd) -> Iterator[None]:
    """The engine knows a runtime of NVIDIA's name, so that a container gets its card; it is runc, and gives none."""
    configured = own_engine.home / "daemon.json"

    def know(runtimes: dict[str, Any]) -> None:
        configured.write_text(json.dumps({"runtimes": runtimes}))
        assert own_engine.part.identity is not None
        os.kill(own_engine.part.identity.pid, signal.SIGHUP)
        with contextlib.closing(docker.APIClient(base_url=own_engine.socket, timeout=60)) as client:
            until(lambda: ("nvidia" in client.info()["Runtimes"]) is bool(runtimes), "the runtimes")

    know({"nvidia": {"path": "runc"}})
    yield
    know({})


class Agent:
    """An agent of its own process on the engine at *socket*, seeing the hardware below *root*."""

    def __init__(self, folder: Path, engine: str, root: Path, climb_after_s: int = 300) -> None:
        self.socket = folder / "admin.sock"
        config = folder / "config.toml"
        config.write_text(
            f'device = "gpu-{os.getpid()}"\nstate_dir = "{folder}/state"\n[engine]\nsocket = "{engine}"\n'
            f'[api]\nsocket = "{self.socket}"\nlisten = "127.0.0.1:{free_port()}"\n[hardware]\nroot = "{root}"\n'
            f"climb_after_s = {climb_after_s}\n"
            '[trust]\nmode = "open"\n'
        )
        start = "import sys; from edgetender.cli import main; main()"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            (sys.executable, "-c", start, "daemon", "--config", str(config)),
            env=os.environ | {"PYTHONPATH": str(AGENT)}, stderr=self.log, stdout=self.log,
        )  # fmt: skip
        self.client = Client(f"unix://{self.socket}")
        until(self._answers, "the agent")

    def _answers(self) -> bool:
        try:
            return bool(self.client.status())
        except Unreachable:
            assert self.process.poll() is None, (Path(self.log.name)).read_text()
            return False

    def apply(self, version: int, *variants: dict[str, Any]) -> None:
        module = {"variants": list(variants), "health": {"http": {"path": "/"}, "interval": "1s"}}
        document = {
            "schema": "edgetender/v1",
            "deployment": "gpu",
            "version": version,
            "modules": {"scorer": module},
        }
        self.client.post("/v1/apply", json.dumps(document | {"update": {"settle": 0}}).encode())

    def serving(self) -> str:
        modules = self.client.status()["modules"]
        return next((one["variant"] for one in modules if one["ready"]), "")

    def explain(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.document("/v1/explain/scorer")
        return found

    def first(self) -> dict[str, Any]:
        """What is said of the variant that is wanted most."""
        found: dict[str, Any] = self.explain()["variants"][0]
        return found

    def run(self, *command: str) -> str:
        """What the CLI answers, which must succeed."""
        host = {"EDGETENDER_HOST": f"unix://{self.socket}", "PYTHONPATH": str(AGENT)}
        argv = (sys.executable, "-c", "from edgetender.cli import main; main()", *command)
        done = subprocess.run(
            argv, env=os.environ | host, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def leave(self) -> None:
        """End it; its containers go on."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()

    def end(self, engine: str) -> None:
        self.leave()
        with contextlib.closing(docker.APIClient(base_url=engine, timeout=60)) as client:
            label = f"io.edgetender.device=gpu-{os.getpid()}"
            for container in client.containers(all=True, filters={"label": label}):
                client.remove_container(container, force=True)


@pytest.fixture
def agent(tmp_path: Path, engine_socket: str, stack: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path, engine_socket, stack)
    yield agent
    agent.end(engine_socket)


def containers(engine: str) -> list[str]:
    with contextlib.closing(docker.APIClient(base_url=engine, timeout=60)) as client:
        label = f"io.edgetender.device=gpu-{os.getpid()}"
        return sorted(one["Id"] for one in client.containers(filters={"label": label}))
