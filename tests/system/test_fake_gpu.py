"""A whole agent on a real engine with a fake NVIDIA stack: chosen, refused, left for the CPU; a device lost in service."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.parts.process import free_port
from demo.parts.registry import Registry
from demo.parts.waiting import until
from edgetender.api.client import Client, Unreachable
from tests.builders.hardware import variant
from tests.builders.machines import write
from tests.builders.nvidia import BOX, CUDA_STUB

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(240)]
AGENT = Path(__file__).parents[2] / "agent"
CARD = "0000:01:00.0"
HANGING = "#!/bin/sh\nsleep 600\n"


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
    (tmp_path / "stub.c").write_text(CUDA_STUB % {"init": "0"})
    library = root / "usr/lib64/libcuda.so.1"
    library.parent.mkdir(parents=True)
    subprocess.run(("cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "stub.c")), check=True)
    return root


class Agent:
    """An agent of its own process on the engine at *socket*, seeing the hardware below *root*."""

    def __init__(self, folder: Path, engine: str, root: Path) -> None:
        self.socket = folder / "admin.sock"
        config = folder / "config.toml"
        config.write_text(
            f'device = "gpu-{os.getpid()}"\nstate_dir = "{folder}/state"\n[engine]\nsocket = "{engine}"\n'
            f'[api]\nsocket = "{self.socket}"\nlisten = "127.0.0.1:{free_port()}"\n[hardware]\nroot = "{root}"\n'
            '[trust]\nmode = "open"\n'
        )
        start = "import sys; from edgetender.cli import main; main()"
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen(
            (sys.executable, "-c", start, "daemon", "--config", str(config)),
            env=os.environ | {"PYTHONPATH": str(AGENT)}, stderr=self.log, stdout=self.log,
        )  # fmt: skip
        self.client = Client(f"unix://{self.socket}")
        until(self._answers, "the agent", within_s=30)

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

    def end(self, engine: str) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()
        with contextlib.closing(docker.APIClient(base_url=engine, timeout=60)) as client:
            label = f"io.edgetender.device=gpu-{os.getpid()}"
            for container in client.containers(all=True, filters={"label": label}):
                client.remove_container(container, force=True)


@pytest.fixture
def agent(tmp_path: Path, engine_socket: str, stack: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path, engine_socket, stack)
    yield agent
    agent.end(engine_socket)


def test_a_card_is_chosen_its_injection_refused_and_the_cpu_serves(agent: Agent, pinned: str) -> None:
    trt = variant(
        "trt", {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5"}, "cuda": ">=12.0"}
    )
    cuda = variant("cuda", {"accelerator": "nvidia"})
    agent.apply(1, *({**one, "image": pinned} for one in (trt, cuda, variant("cpu"))))
    until(lambda: agent.serving() == "cpu", "the CPU's variant", within_s=60)
    first, second, third = agent.explain()["variants"]
    assert (first["verdict"], first["code"]) == ("demoted", "toolkit_missing")
    assert "could not select device driver" in first["because"]
    assert "install nvidia-container-toolkit" in first["because"]
    assert second["verdict"] == "demoted"  # one refusal tells of both: nothing was tried for it
    assert third["verdict"] == "chosen"
    capability = next(one for one in first["predicates"] if one["name"] == "accelerator.compute_capability")
    assert (capability["observed"], capability["source"]) == ("7.5", "libcuda")


def test_a_device_lost_in_service_is_left_for_the_next_variant_within_half_a_minute(
    agent: Agent, pinned: str, stack: Path
) -> None:
    agent.apply(1, variant("npu", {"device_node": "/dev/hailo0"}, image=pinned), variant("cpu", image=pinned))
    until(lambda: agent.serving() == "npu", "the accelerator's variant", within_s=60)
    (stack / "dev/hailo0").unlink()
    until(lambda: agent.serving() == "cpu", "the CPU's variant", within_s=30)
    assert agent.explain()["variants"][0]["verdict"] == "rejected"


def test_a_hanging_nvidia_smi_costs_five_seconds_and_no_service(
    tmp_path: Path, engine_socket: str, stack: Path, pinned: str
) -> None:
    (stack / "usr/lib64/libcuda.so.1").unlink()
    smi = write(stack, {"usr/bin/nvidia-smi": HANGING}) / "usr/bin/nvidia-smi"
    smi.chmod(0o755)
    began = time.monotonic()
    agent = Agent(tmp_path, engine_socket, stack)
    try:
        assert time.monotonic() - began < 15
        wanted = {"accelerator": {"vendor": "nvidia", "compute_capability": ">=7.5"}}
        agent.apply(1, variant("trt", wanted, image=pinned), variant("cpu", image=pinned))
        until(lambda: agent.serving() == "cpu", "the CPU's variant", within_s=30)
        assert "unknown" in agent.explain()["variants"][0]["because"]
        facts = {one["name"]: one for one in agent.client.document("/v1/hardware")["facts"]}
        assert facts["nvidia_smi"]["code"] == "probe_timeout"
    finally:
        agent.end(engine_socket)
