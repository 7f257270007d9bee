"""Where the story happens: engine, registry, upstream, device; up in order, down in reverse."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from demo import base_image
from demo.clean import DEVICE, LABEL, remove_containers
from demo.device import Device
from demo.parts.dockerd import Dockerd, client, running_engine
from demo.parts.identities import Authority
from demo.parts.process import free_port
from demo.parts.registry import Registry
from demo.parts.signer import Signer
from demo.slow_proxy import SlowProxy
from demo.upstream_mqtt import MqttUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.narrator import Narrator
    from demo.upstream import Upstream

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = REPOSITORY / "modules/scoring/examples/diabetes"
HOST_PORT = 6789
ROLE = "io.edgetender.role"  # what a container of the agent's own says; a module's is empty
USER, PASSWORD = "line3", "correct horse battery staple"  # of a registry that lives for minutes, on loopback


@dataclass(slots=True)
class World:
    """What the steps act on. `facts` carries what one step learns and a later one compares with."""

    home: Path
    say: Narrator
    engine: str
    own_engine: Dockerd | None
    registry: Registry
    device: Device
    upstream: Upstream
    slow: SlowProxy
    base: Path
    signer: Signer
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def image(self) -> str:
        return f"{self.registry.host}/diabetes:1"

    def containers(self, module: str | None = None, *, all_states: bool = False) -> list[Any]:
        """Docker's view of the device's containers, as `inspect` shows them."""
        labels = [f"{LABEL}={DEVICE}", *([f"io.edgetender.module={module}"] if module else [])]
        with client(self.engine) as opened:
            found = opened.containers.list(all=all_states, filters={"label": labels}, ignore_removed=True)
            return [container.attrs for container in found if not container.labels.get(ROLE)]

    def fronts(self, module: str) -> list[Any]:
        """The containers that hold the module's host ports for it; none where it holds them itself."""
        labels = [f"{LABEL}={DEVICE}", f"io.edgetender.module={module}", f"{ROLE}=front"]
        with client(self.engine) as opened:
            return [
                found.attrs
                for found in opened.containers.list(filters={"label": labels}, ignore_removed=True)
            ]

    def score(self, rows: Any, *, port: int = HOST_PORT) -> list[float]:
        """What the packaging seed's client does, word for word; raises requests.RequestException."""
        body = json.dumps({"data": rows})
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"http://localhost:{port}/score", body, headers=headers, timeout=5)
        answer.raise_for_status()
        result: list[float] = answer.json()
        return result

    def serves(self) -> bool:
        with contextlib.suppress(requests.RequestException, ValueError):
            return len(self.score([list(range(1, 11))])) == 1
        return False


# what a demo before left: its versions would outrank ours, its keys are others
_OF_ONE_DEMO = ("device", "manifests", "mosquitto", "operator", "registry", "signing")


@contextlib.contextmanager
def started(
    home: Path, say: Narrator, *, private_engine: bool = False, iothub: bool = False
) -> Iterator[World]:
    """Start the parts, hand out the world, and leave nothing of it behind but caches.

    An engine that answers is used, unless a *private_engine* is asked for; *iothub* instead of a broker.
    """
    for part in _OF_ONE_DEMO:
        shutil.rmtree(home / part, ignore_errors=True)
    with contextlib.ExitStack() as ends:
        base = base_image.ensure(home / "base")
        engine = None if private_engine else running_engine()
        own = None
        if engine is None:
            own = Dockerd(home / "engine.own")
            ends.callback(own.remove)
            own.start()
            engine = own.socket
            say.check("Docker Engine: started one of our own", _version(engine))
        else:
            say.check(f"Docker Engine: using the one at {engine}", _version(engine))
            remove_containers(engine)  # of a demo that was killed
            ends.callback(remove_containers, engine)  # our own goes with all it has, however it is
        (home / "engine").write_text(engine)

        authority = Authority(home / "keys")
        registry = Registry(home / "registry", authority, port=free_port(), users={USER: PASSWORD})
        ends.callback(registry.stop)
        registry.start()
        say.check("docker-registry: TLS, htpasswd", registry.host)
        slow = SlowProxy(registry.port)
        ends.callback(slow.stop)
        slow.start()

        upstream = _upstream(home, authority, iothub=iothub)
        ends.callback(upstream.stop)
        upstream.start()
        say.check(upstream.about, upstream.where)

        hosts = [registry.host, f"localhost:{slow.port}"]
        front = home / "front" / "front.tar"  # built by the launcher; without it updates stop, then start
        device = Device(
            home / "device",
            engine=engine,
            upstream=upstream,
            registries=hosts,
            front=front if front.exists() else None,
        )
        device.configure(registry)
        for host in hosts:
            device.log_in(host, registry, home / "operator")
        signer = Signer(home / "signing")
        device.trust(signer.root)
        say.check("keys: 2 of 3 say which keys there are, 1 signs manifests; the device trusts no other")
        ends.callback(device.stop)
        yield World(home, say, engine, own, registry, device, upstream, slow, base, signer)


def _upstream(home: Path, authority: Authority, *, iothub: bool) -> Upstream:
    if not iothub:
        return MqttUpstream(home, authority)
    from demo.upstream_iothub import HubUpstream

    return HubUpstream(home, authority)


def _version(engine: str) -> str:
    with client(engine) as opened:
        facts = opened.version()
    return f"{facts['Version']}, API {facts['ApiVersion']}"
