"""The main job through an IoT Hub: the whole agent with the unmodified SDK, a local hub, a real engine and registry."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.parts.process import free_port
from demo.parts.registry import Registry
from demo.parts.waiting import TimedOut, until
from edgetender.clock import parse_rfc3339
from edgetender.fleet.hub.state import Received
from edgetender.transports.iothub_twin import in_chunks
from tests.builders.iotedge import edge_agent, edge_module
from tests.services.blob_store import blob_store
from tests.services.hub import TestHub

ROOT = Path(__file__).parents[2]
AZURE = ROOT / ".venv" / "azure"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.registry,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AZURE.is_dir(), reason="the SDK is not in .venv/azure; ./run test puts it there"),
]


@pytest.fixture
def pinned(registry: Registry, engine_image: str, engine_socket: str) -> str:
    """The probe image by digest, in the registry and known to the engine."""
    name = f"{registry.host}/team/iothub-probe"
    with contextlib.closing(docker.APIClient(base_url=engine_socket, timeout=60)) as client:
        client.tag(engine_image, name, tag="1")
        user, password = next(iter(registry.users.items()))
        said = list(
            client.push(
                name,
                tag="1",
                stream=True,
                decode=True,
                auth_config={"username": user, "password": password},
            )
        )
    (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
    return f"{name}@{digest}"


@dataclass
class Agent:
    """The device: an agent in a process of its own, as *client_id* of *hub*."""

    folder: Path
    engine: str
    hub: TestHub
    client_id: str
    image: str
    more: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        credentials = self.folder / "credentials"
        credentials.mkdir(exist_ok=True)
        said = {"username": self.client_id, "password": self.hub.connection_string(self.client_id)}
        (credentials / "hub").touch(mode=0o600)
        (credentials / "hub").write_text(json.dumps(said))
        config = self.folder / "config.toml"
        config.write_text(
            f'device = "{self.client_id.partition("/")[0]}"\nstate_dir = "{self.folder}/state"\n'
            f'[engine]\nsocket = "{self.engine}"\n[telemetry]\ninterval_s = 1\nreport = "all"\n[trust]\nmode = "open"\n'
            f'[credentials]\ndirectory = "{credentials}"\n'
            f'[api]\nsocket = "{self.folder}/admin.sock"\nlisten = "127.0.0.1:{free_port()}"\n'
            f'[transport]\nkind = "iothub"\npassword_credential = "hub"\nca = "{self.hub.ca}"\n{self.more}'
        )
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                (
                    sys.executable,
                    "-c",
                    "from edgetender.cli import main; main()",
                    "daemon",
                    "--config",
                    config,
                ),
                env=os.environ | {"PYTHONPATH": os.pathsep.join((str(AZURE), str(ROOT / "agent")))},
                stdout=log,
                stderr=log,
            )
        self.until(lambda: self.hub.is_connected(self.client_id), "the link")

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, (self.folder / "log").read_text()

    def until(self, look: Any, what: str) -> Any:
        def alive() -> Any:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            return look()

        try:
            return until(alive, what)
        except TimedOut as late:
            log = (self.folder / "log").read_text()[-3000:]
            raise AssertionError(f"{late}: {self.reported()}\n{log}") from None

    def reported(self) -> Any:
        return self.hub.twin(self.client_id)["reported"]

    def manifest(self, version: int, **env: str) -> dict[str, Any]:
        module = {"image": self.image, "env": env, "ports": [f"{self.port}:5001"], "stop_grace": 1}
        module["health"] = {"http": {"path": "/"}, "interval": "1s", "deadline": "8s"}
        document = {"schema": "edgetender/v1", "deployment": "line3", "version": version}
        return document | {"modules": {"scorer": module}, "update": {"settle": 0}}

    def desire(self, document: dict[str, Any]) -> int:
        """As a back end does it; the twin's version."""
        return self.hub.replace_desired(self.client_id, {"deployment": document})

    def verdict(self, twin_version: int, code: int) -> Any:
        """The report, once it says *code* of the twin's version."""

        def look() -> Any:
            report = self.reported()
            found = report.get("lastDesiredVersion"), report.get("lastDesiredStatus", {}).get("code")
            return report if found == (twin_version, code) else None

        return self.until(look, f"code {code} for the twin's version {twin_version}")

    def environment(self) -> str:
        """Nothing while none answers: one container makes way for another."""
        address = f"http://127.0.0.1:{self.port}/cgi-bin/env"
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            return str(answer.read().decode())
        return ""


@pytest.fixture
def make_agent(tmp_path: Path, engine_socket: str, hub: TestHub, pinned: str) -> Iterator[Any]:
    agents: list[Agent] = []

    def make(client_id: str, more: str = "") -> Agent:
        folder = tmp_path / f"a{len(agents)}"
        folder.mkdir()
        hub.register(client_id)
        agents.append(Agent(folder, engine_socket, hub, client_id, pinned, more))
        agents[-1].start()
        return agents[-1]

    yield make
    for agent in agents:
        agent.end()
    with contextlib.closing(docker.DockerClient(base_url=engine_socket)) as engine:
        devices = {agent.client_id.partition("/")[0] for agent in agents}
        for container in engine.containers.list(all=True, ignore_removed=True):
            if container.labels.get("io.edgetender.device") in devices:
                container.remove(force=True)


def test_the_main_job_through_the_twin(make_agent: Any, hub: TestHub) -> None:
    agent: Agent = make_agent(f"story-{os.getpid()}")

    # a deployment becomes a container that answers, and the cloud sees it
    first = agent.desire(agent.manifest(1, SITE="hall 1"))
    report = agent.verdict(first, 200)
    assert report["deploymentVersion"] == 1
    assert report["modules"]["scorer"]["state"] == "running"
    assert "SITE=hall 1" in agent.environment()
    assert hub.counts(agent.client_id)[2] <= 6, "twin writes of one deployment"

    # an update, in chunks
    body = json.dumps(agent.manifest(2, SITE="hall 2", LONG="x" * 5000)).encode()
    second = hub.replace_desired(agent.client_id, {"deployment": in_chunks(body)})
    agent.verdict(second, 200)
    agent.until(lambda: "SITE=hall 2" in agent.environment(), "the update serves")

    # a lower version is refused, and so is what cannot be read; what runs goes on
    report = agent.verdict(agent.desire(agent.manifest(1)), 409)
    assert report["lastDesiredStatus"]["problems"][0]["code"] == "manifest.rollback"
    faulty = agent.manifest(3)
    faulty["modules"]["scorer"]["replicas"] = 3
    report = agent.verdict(agent.desire(faulty), 400)
    assert report["lastDesiredStatus"]["problems"][0]["path"] == "modules.scorer.replicas"
    assert "SITE=hall 2" in agent.environment()

    # one that never becomes ready is taken back
    report = agent.verdict(agent.desire(agent.manifest(4, UNHEALTHY="1")), 417)
    assert report["accepted"]["version"] == 2
    agent.until(lambda: "SITE=hall 2" in agent.environment(), "what ran before serves again")

    # telemetry and events came as messages
    kinds = {message.properties["kind"] for message in hub.messages(agent.client_id)}
    assert {"telemetry/device", "telemetry/modules", "event/deployment.applied"} <= kinds

    # an outage of the hub: it comes back by itself, and nothing that was accepted is lost or out of order
    down = datetime.now(UTC)
    hub.go_away()
    newest = agent.desire(agent.manifest(5, SITE="hall 5"))
    agent.until(lambda: datetime.now(UTC) - down > timedelta(seconds=8), "eight seconds")
    hub.come_back()
    up = datetime.now(UTC)
    agent.verdict(newest, 200)
    agent.until(lambda: sampled(hub, agent)[-1] > up, "a sample of after the outage")
    samples = sampled(hub, agent)
    assert samples == sorted(samples)
    assert sum(down < at < up for at in samples) >= 5, "what was measured meanwhile came later"
    numbers = [int(json.loads(one.body)["id"].rpartition("-")[2]) for one in told(hub, agent, "event/")]
    seen = list(dict.fromkeys(numbers))  # at least once
    assert seen == list(range(1, len(seen) + 1))


def told(hub: TestHub, agent: Agent, kind: str) -> list[Received]:
    return [one for one in hub.messages(agent.client_id) if one.properties["kind"].startswith(kind)]


def sampled(hub: TestHub, agent: Agent) -> list[datetime]:
    """When each sample was taken, in the order of arrival."""
    found = told(hub, agent, "telemetry/device")
    return [parse_rfc3339(body["at"]) for message in found for body in message.bodies()]


def test_a_device_answers_methods(make_agent: Any, hub: TestHub) -> None:
    agent: Agent = make_agent(f"methods-{os.getpid()}")
    agent.verdict(agent.desire(agent.manifest(1, LINES="3")), 200)
    assert hub.invoke(agent.client_id, "ping") == (200, None)
    request = {"schemaVersion": "1.0", "items": [{"id": "all", "filter": {"tail": 10}}]}
    status, logs = hub.invoke(agent.client_id, "GetModuleLogs", request)
    assert status == 200
    assert logs[0]["id"] == "scorer"
    assert "line 3\nstarted\n" in logs[0]["payload"]
    since = agent.reported()["modules"]["scorer"]["since"]
    assert hub.invoke(agent.client_id, "RestartModule", {"schemaVersion": "1.0", "id": "scorer"})[0] == 200
    status, seen = hub.invoke(agent.client_id, "Status")
    assert (status, seen["version"]) == (200, 1)
    agent.until(
        lambda: hub.invoke(agent.client_id, "Status")[1]["modules"][0]["since"] not in (None, since),
        "the restart",
    )
    assert hub.invoke(agent.client_id, "RestartModule", {"id": "nobody"})[0] == 400
    with blob_store(hub.authority) as store:
        for name, asked in (("UploadModuleLogs", {"items": [{"id": "all"}]}), ("UploadSupportBundle", {})):
            _, task = hub.invoke(agent.client_id, name, asked | {"sasUrl": store.url})
            known = {"schemaVersion": "1.0", "correlationId": task["correlationId"]}
            agent.until(
                lambda known=known: (
                    hub.invoke(agent.client_id, "GetTaskStatus", known)[1]["status"] == "Completed"
                ),
                name,
            )
        logs, bundle = store.kept.values()
    assert b"started" in logs
    assert bundle.startswith(b"\x1f\x8b"), "a gzipped archive"
    status, plan = hub.invoke(agent.client_id, "Plan", {"manifest": agent.manifest(2, SITE="x")})
    assert (status, plan["modules"][0]["change"]) == (200, "change")


def test_what_iot_edge_deploys_runs_here_as_it_is(make_agent: Any, hub: TestHub, registry: Registry) -> None:
    trusted = f'[registries."{registry.host}"]\nca = "{registry.ca}"\n'
    agent: Agent = make_agent(f"edge-{os.getpid()}/$edgeAgent", f'compat = "iotedge"\n{trusted}')
    with contextlib.closing(docker.APIClient(base_url=agent.engine)) as client:
        for name in (
            f"{agent.image.partition('@')[0]}:1",
            agent.image,
        ):  # it has to be pulled, with a password
            with contextlib.suppress(docker.errors.ImageNotFound):
                client.remove_image(name)
        assert agent.image not in str(client.images())
    ((user, password),) = registry.users.items()
    ports = {"PortBindings": {"5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(agent.port)}]}}
    module = edge_module(agent.image, options={"HostConfig": ports}, env={"SITE": {"value": "hall 3"}})
    twin = edge_agent(scorer=module)
    twin["runtime"]["settings"]["registryCredentials"] = {
        "r1": {"address": registry.host, "username": user, "password": password}
    }
    version = hub.replace_desired(agent.client_id, twin)
    report = agent.verdict(version, 200)
    assert report["modules"]["scorer"]["runtimeStatus"] == "running"
    assert "SITE=hall 3" in agent.environment()
    assert json.loads((agent.folder / "state/credentials/r1").read_text())["password"] == password
    for file in (*agent.folder.glob("state/*.db*"), agent.folder / "log"):
        assert password.encode() not in file.read_bytes(), file.name
    refused = edge_module(agent.image, options={"HostConfig": {"Privileged": True}})
    report = agent.verdict(hub.replace_desired(agent.client_id, edge_agent(scorer=refused)), 400)
    assert "createOptions.HostConfig.Privileged" in report["lastDesiredStatus"]["description"]
    assert "SITE=hall 3" in agent.environment()
