"""How does a device get and drive its fronts? Containers of our own image, labelled, driven by their mechanism.

What a front does is read from the front, whether it is there from the engine: nothing is only remembered.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests

from edgetender.engine import network
from edgetender.engine.connection import Connection, inspected
from edgetender.engine.front import directory
from edgetender.engine.front.certificates import Certificates, Keys
from edgetender.engine.front.coming_up import comes_up
from edgetender.engine.front.haproxy_config import CERTIFICATES, INSIDE
from edgetender.engine.front.image import FrontImage
from edgetender.engine.front.mechanism import Looked, Mechanism
from edgetender.engine.front.nat import Nat
from edgetender.engine.front.proxy import Proxy
from edgetender.engine.front.watching import watch
from edgetender.engine.labels import (
    DEVICE,
    FRONT,
    MECHANISM,
    MODULE,
    ROLE,
    ROLE_FRONT,
    front_labels,
    front_name,
    host_ports_of,
    network_name,
)
from edgetender.engine.removing import remove
from edgetender.engine.starting import start
from edgetender.errors import EngineRefused, FrontDown
from edgetender.model.front import NAT, PROXY, FrontSpec, FrontState, Member, Shadow
from edgetender.secret import Secret

_LOGS = {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}}
_ON_ITS_WAY_OUT = ("removing", "dead")
_GRACE_S = 5
_TIMEOUT_S = 30.0


class DockerFronts:
    """Implements `edgetender.ports.Front` on the engine at *socket*, which must be on this machine.

    *home* is the directory below which fronts and agent meet, *archive* holds the fronts' image; without one
    fronts are still seen and can be taken down. *keys* are for those that speak TLS. Threads: one, and another
    for `watch`.
    """

    def __init__(
        self,
        socket: str,
        device: str,
        *,
        home: Path,
        archive: Path | None,
        keys: Keys | None = None,
    ) -> None:
        self._connection = Connection(socket, _TIMEOUT_S)
        self._asking = self._connection.asking
        self._device, self._home, self._image = device, home.absolute(), FrontImage(archive)
        self._certificates = Certificates(keys)
        self._mechanisms: dict[str, Mechanism] = {PROXY: Proxy(), NAT: Nat()}

    def close(self) -> None:
        self._connection.close()

    def watch(self, wake: Callable[[], None], stopping: threading.Event) -> None:
        """Call *wake* while a front hangs, until *stopping*. On a thread of its own: it asks no engine."""
        watch(self._home, wake, stopping)

    def observe(self) -> tuple[FrontState, ...]:
        def look(client: docker.APIClient) -> tuple[FrontState, ...]:
            marks = [f"{DEVICE}={self._device}", f"{ROLE}={ROLE_FRONT}"]
            listed = client.containers(all=True, filters={"label": marks})
            found = [inspected(client, entry["Id"]) for entry in listed]
            return tuple(self._state(client, front) for front in found if front is not None)

        return self._connection.looking("list the fronts", look)

    def ensure(self, spec: FrontSpec, member: Member | None) -> None:
        name, what = front_name(spec.module), f"set up the front of {spec.module}"
        home, mechanism = self._home / spec.module, self._mechanisms[spec.mechanism]
        shown = self._certificates.read(spec.certificates)  # before anything changes
        with self._asking(what) as client:
            image = self._image.ensure(client)
            there = inspected(client, name)
            if there is not None and there["Config"]["Labels"].get(DEVICE) != self._device:
                raise EngineRefused(
                    f"cannot {what}: the name {name} is taken by a container that is not this device's; "
                    f"remove it with `docker rm {there['Id'][:12]}`"
                )
            if there is not None and there["State"]["Status"] in _ON_ITS_WAY_OUT:  # by somebody's hand
                remove(client, there["Id"], _TIMEOUT_S)
                there = None
            if there is not None and _is(there, spec, image):
                if self._brought_up(client, there, spec, shown):
                    return
                words = _last_words(client, there["Id"])
                client.remove_container(there["Id"], v=True, force=True)
                raise EngineRefused(f"cannot {what}: {words or 'it ended again and again'}")
            directory.make(home)
            mechanism.write(home, spec, member)
            if there is not None:
                client.stop(there["Id"], timeout=_GRACE_S)
                client.remove_container(there["Id"], v=True, force=True)
            keys = self._certificates.lay(name, shown)
            self._run(client, name, self._body(client, spec, mechanism, image, keys))

    def point(self, spec: FrontSpec, member: Member) -> None:
        with self._asking(f"switch the traffic of {spec.module}") as client:
            front = inspected(client, front_name(spec.module))
            if front is None or front["Config"]["Labels"].get(DEVICE) != self._device:
                raise FrontDown(
                    f"cannot switch the traffic of {spec.module}: this device has no front for it"
                )
            engine = _FrontEngine(client, front_name(spec.module), self._device)
            self._mechanisms[spec.mechanism].point(self._home / spec.module, spec, member, engine)

    def compare(self, spec: FrontSpec, member: Member, wanted: Shadow) -> None:
        self._mechanisms[spec.mechanism].compare(self._home / spec.module, member, wanted)

    def forget(self, module: str, container: str) -> None:
        with self._asking(f"forget a container of {module}") as client:
            front = inspected(client, front_name(module))
            if front is None or front["Config"]["Labels"].get(DEVICE) != self._device:
                return
            mechanism = self._mechanisms[front["Config"]["Labels"][MECHANISM]]
            engine = _FrontEngine(client, front["Id"], self._device)
            mechanism.forget(self._home / module, container, engine)

    def lower(self, module: str) -> None:
        with self._asking(f"take down the front of {module}") as client:
            front = inspected(client, front_name(module))
            if front is not None and front["Config"]["Labels"].get(DEVICE) == self._device:
                client.stop(front["Id"], timeout=_GRACE_S)
                client.remove_container(front["Id"], v=True, force=True)
        self._certificates.lay(front_name(module), {})
        directory.remove(self._home / module)

    def _brought_up(
        self,
        client: docker.APIClient,
        front: Mapping[str, Any],
        spec: FrontSpec,
        shown: Mapping[str, Secret],
    ) -> bool:
        """False: it ended again and again. Whatever brings it up, it serves whom its file names."""
        name, status = front_name(spec.module), front["State"]["Status"]
        hangs = status == "running" and self._hangs(client, front, spec)
        if shown and not self._certificates.laid(name, shown):
            if status == "running" and not hangs:  # told first: interrupted here, it is told once more
                self._mechanisms[spec.mechanism].renew(self._home / spec.module, shown)
            self._certificates.lay(name, shown)
        match status:
            case "running":
                if hangs:
                    client.restart(front["Id"], timeout=0)  # its clients have lost it already
            case "paused":  # by somebody's hand
                client.unpause(front["Id"])
            case "restarting":
                return comes_up(front)
            case _:
                start(client, front["Id"])
        return True

    def _hangs(self, client: docker.APIClient, front: Mapping[str, Any], spec: FrontSpec) -> bool:
        engine = _FrontEngine(client, front["Id"], self._device)
        run = f"{front['Id']}/{front['State']['StartedAt']}"
        return self._mechanisms[spec.mechanism].look(self._home / spec.module, run, engine).hangs

    def _state(self, client: docker.APIClient, front: Mapping[str, Any]) -> FrontState:
        marks = front["Config"]["Labels"]
        module, mechanism = marks[MODULE], marks[MECHANISM]
        running = comes_up(front)
        looked = Looked(answers=False)
        if front["State"]["Status"] == "running" and mechanism in self._mechanisms:
            engine = _FrontEngine(client, front["Id"], self._device)
            run = f"{front['Id']}/{front['State']['StartedAt']}"
            looked = self._mechanisms[mechanism].look(self._home / module, run, engine)
        return FrontState(
            module=module,
            mechanism=mechanism,
            spec=marks.get(FRONT, ""),
            running=running,
            answers=looked.answers,
            hangs=looked.hangs,
            stale=looked.answers and self._certificates.stale(front_name(module), looked.certificates),
            target=looked.target,
            servers=looked.servers,
            shadowed=looked.shadowed,
            host_ports=host_ports_of(marks),
        )

    def _body(
        self,
        client: docker.APIClient,
        spec: FrontSpec,
        mechanism: Mechanism,
        image: str,
        keys: Path | None,
    ) -> dict[str, Any]:
        own = mechanism.body(spec)
        home = str(self._home / spec.module)
        host: dict[str, Any] = {
            # the engine brings it back by itself, with the file it finds: the agent need not be there
            "RestartPolicy": {"Name": "always"},
            "LogConfig": _LOGS,
            "SecurityOpt": ["no-new-privileges"],
            "CapDrop": ["ALL"],
            "ReadonlyRootfs": True,
            "PidsLimit": 64,
            "Ulimits": [{"Name": "nofile", "Soft": 16384, "Hard": 16384}],
            "Mounts": [{"Type": "bind", "Source": home, "Target": INSIDE}],
        } | own["HostConfig"]
        if keys is not None:
            shown = {"Type": "bind", "Source": str(keys), "Target": CERTIFICATES, "ReadOnly": True}
            host["Mounts"].append(shown)
        if "NetworkMode" not in host:
            network.ensure(client, self._device)
            host["NetworkMode"] = network_name(self._device)
        return own | {
            "Image": image,
            "StopTimeout": _GRACE_S,
            "Labels": front_labels(spec, self._device),
            "HostConfig": host,
        }

    def _run(self, client: docker.APIClient, name: str, body: dict[str, Any]) -> None:
        made = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
        try:
            client.start(made["Id"])
        except docker.errors.APIError:  # a port that is taken: what cannot start is not left lying about
            with contextlib.suppress(docker.errors.APIError):
                client.remove_container(made["Id"], v=True, force=True)
            raise


@dataclass(frozen=True, slots=True)
class _FrontEngine:
    """Implements `FrontEngine` for one front."""

    client: docker.APIClient
    front: str
    device: str

    def execute(self, command: list[str]) -> str:
        try:
            made = self.client.exec_create(self.front, command)
            said = self.client.exec_start(made["Id"]).decode(errors="replace")
            code = self.client.exec_inspect(made["Id"])["ExitCode"]
        except docker.errors.APIError as error:
            if error.status_code in (requests.codes.not_found, requests.codes.conflict):
                raise FrontDown(f"cannot ask the front: {error.explanation or error}") from error
            raise
        if code != 0:
            raise EngineRefused(f"cannot run {command[0]} in the front: {' '.join(said.split())[:300]}")
        return said

    def pid(self, container: str) -> int:
        found = inspected(self.client, container)
        if found is None or (found["Config"].get("Labels") or {}).get(DEVICE) != self.device:
            return 0
        return int(found["State"].get("Pid") or 0)


def _is(front: Mapping[str, Any], spec: FrontSpec, image: str) -> bool:
    return bool(front["Config"]["Labels"].get(FRONT) == spec.digest and front["Image"] == image)


def _last_words(client: docker.APIClient, container: str) -> str:
    said = client.logs(container, tail=3)
    return " ".join(said.decode(errors="replace").split())[-300:]
