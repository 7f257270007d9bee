"""How do our wishes reach Docker Engine? One typed request after the other, each answer in our words.

Requests that end go through docker-py's low-level client; those that may not (pulls, events, logs) through
`stream`.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import docker
import docker.errors
import requests

from edgetender.clock import SystemClock
from edgetender.engine import logs, network, pull, readings
from edgetender.engine.connection import Connection, inspected
from edgetender.engine.create_args import create_body
from edgetender.engine.handing import Doors, Secrets
from edgetender.engine.labels import DEVICE, MODULE, ROLE, SECRETS, SPEC, STREAMS, container_name, streams_of
from edgetender.engine.outcomes import refusal
from edgetender.engine.removing import remove
from edgetender.engine.starting import start
from edgetender.engine.stream import Stream, message_in
from edgetender.errors import EngineDown, EngineRefused, NotFound, RegistryUnreachable
from edgetender.model.figures import ContainerFigures, EngineFacts, discovered
from edgetender.model.front import NONE
from edgetender.model.image import Credential, ImageReference
from edgetender.model.observed import Container, PullProgress
from edgetender.model.target import ContainerSpec

# Not the `exec_…` of the engine's own health checks, which would wake us every few seconds.
_EVENTS = (
    "create", "destroy", "die", "health_status", "kill", "oom", "pause", "restart", "start", "stop",
    "unpause",
)  # fmt: skip


class DockerEngine:
    """Implements `edgetender.ports.Engine` on the engine at *socket* (`unix:///run/docker.sock`).

    *device* is the label by which containers are ours; those of others are neither seen nor touched. Nothing
    is asked before the first call, so this can be built while the engine is down. One connection per thread.
    """

    def __init__(
        self,
        socket: str,
        device: str,
        *,
        timeout_s: float = 30.0,
        secrets: Secrets | None = None,
        doors: Doors | None = None,
    ) -> None:
        """Without *secrets* no container is made that wants one, without *doors* none that sends messages."""
        self._connection = Connection(socket, timeout_s)
        self._asking = self._connection.asking
        self._address, self._device, self._timeout_s = socket, device, timeout_s
        self._clock, self._secrets, self._doors = SystemClock(), secrets, doors
        self._memory_bytes: int | None = None

    def close(self) -> None:
        """Close the connections of all threads; only for the end."""
        self._connection.close()

    def ping(self) -> None:
        """Return once the engine answered anything. Raises EngineDown within seconds where it says nothing."""
        self._connection.ping()

    def containers(self) -> tuple[Container, ...]:
        def look(client: docker.APIClient) -> tuple[Container, ...]:
            listed = client.containers(all=True, filters={"label": f"{DEVICE}={self._device}"})
            modules = [entry["Id"] for entry in listed if not entry["Labels"].get(ROLE)]
            found = (inspected(client, container) for container in modules)
            return tuple(readings.container(one) for one in found if one is not None)

        return self._connection.looking("list containers", look)

    def images(self) -> frozenset[str]:
        return self._connection.looking("list images", lambda client: readings.image_names(client.images()))

    def create(self, spec: ContainerSpec, version: int) -> str:
        name, what = container_name(spec), f"create a container for {spec.module}"
        place = self._place(what) if spec.front != NONE else None
        shown = self._handed(name, spec.secrets), self._door(name, spec.module, spec.streams)
        body = create_body(spec, version, self._device, place, *shown)
        for _ in range(3):  # what held the name may go while we look at it
            with self._asking(what) as client:
                try:
                    made = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
                    return str(made["Id"])
                except docker.errors.APIError as error:
                    if error.status_code != requests.codes.conflict:
                        raise
                holder = inspected(client, name)
                if holder is None:
                    continue
                marks = holder["Config"].get("Labels") or {}
                if marks.get(DEVICE) != self._device:
                    raise EngineRefused(
                        f"cannot {what}: the name {name} is taken by a container that is not this device's; "
                        f"remove it with `docker rm {holder['Id'][:12]}`"
                    )
                if marks.get(SPEC) == spec.digest:
                    return str(holder["Id"])
            self.remove(holder["Id"])
        raise EngineRefused(
            f"cannot {what}: the name {name} stays taken by a container that cannot be inspected"
        )

    def start(self, container: str) -> None:
        with self._asking(f"start container {container[:12]}") as client:
            ours = self._require_ours(client, container)
            marks, name = ours["Config"]["Labels"], ours["Name"].lstrip("/")
            if marks.get(SECRETS):  # they were in memory: a device that came up has none yet
                self._handed(name, marks[SECRETS].split(","))
            self._door(name, marks.get(MODULE, ""), streams_of(marks))
            if ours["State"].get("Paused"):
                client.unpause(container)
                return
            start(client, container)

    def stop(self, container: str, grace_s: float) -> None:
        with contextlib.suppress(NotFound), self._asking(f"stop container {container[:12]}") as client:
            self._require_ours(client, container)
            client.stop(container, timeout=math.ceil(grace_s))

    def remove(self, container: str) -> None:
        with contextlib.suppress(NotFound), self._asking(f"remove container {container[:12]}") as client:
            ours = self._require_ours(client, container)
            if self._secrets is not None and ours["Config"]["Labels"].get(SECRETS):
                self._secrets.clear(ours["Name"].lstrip("/"))
            if self._doors is not None and ours["Config"]["Labels"].get(STREAMS):
                self._doors.close(ours["Name"].lstrip("/"))
            remove(client, container, self._timeout_s)

    def remove_image(self, name: str) -> None:
        with contextlib.suppress(NotFound), self._asking(f"remove the image {name}") as client:
            client.remove_image(name)

    def pull(
        self,
        reference: ImageReference,
        credential: Credential | None,
        progress: Callable[[PullProgress], bool],
    ) -> None:
        pull.pull(
            self._address,
            self._connection.api_version(),
            reference,
            credential,
            progress,
            clock=self._clock,
            timeout_s=self._timeout_s,
        )
        if str(reference) not in self.images():
            raise RegistryUnreachable(f"cannot pull {reference}: the engine ended the pull without the image")

    def logs(
        self,
        container: str,
        *,
        tail: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        timestamps: bool = False,
        follow: bool = False,
    ) -> Iterator[str]:
        with self._asking(f"read the logs of container {container[:12]}") as client:
            self._require_ours(client, container)
        return logs.log_lines(
            self._address,
            self._connection.api_version(),
            container,
            tail=tail,
            since=since,
            until=until,
            timestamps=timestamps,
            follow=follow,
            timeout_s=self._timeout_s,
        )

    def figures(self, containers: Sequence[Container]) -> tuple[ContainerFigures, ...]:
        host_memory = self._host_memory()
        found = (self._figures(one, host_memory) for one in containers if one.running)
        return tuple(figures for figures in found if figures is not None)

    def facts(self) -> EngineFacts:
        version, info = self._connection.looking(
            "ask for the engine's facts", lambda client: (client.version(), client.info())
        )
        return EngineFacts(
            version=version["Version"],
            api_version=version["ApiVersion"],
            architecture=version["Arch"],
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
            data_root=info["DockerRootDir"],
            cdi=bool(info.get("CDISpecDirs")),
            log_driver=info.get("LoggingDriver") or "",
            https_proxy=info.get("HttpsProxy") or "",
            cdi_devices=discovered(info),
            memory_limits=info.get("MemoryLimit"),
        )

    def free_bytes(self) -> int | None:
        if not self._address.startswith(("unix://", "/")):
            return None  # the same path may exist here, on another machine's disk
        with self._asking("ask where images are kept") as client:
            root = client.info()["DockerRootDir"]
        try:
            return shutil.disk_usage(root).free
        except OSError:
            return None

    def watch(self, wake: Callable[[], None], stopping: Callable[[], bool]) -> None:
        what = "watch the engine's events"
        labels = [f"{DEVICE}={self._device}"]
        filters = json.dumps({"type": ["container"], "label": labels, "event": list(_EVENTS)})
        path = f"/v{self._connection.api_version()}/events?{urlencode({'filters': filters})}"
        with Stream(self._address, "GET", path, what=what, timeout_s=self._timeout_s) as stream:
            for line in stream.lines():
                if stopping():
                    return
                if line and stream.refused():
                    raise refusal(what, stream.status or 0, message_in(line))
                if line:
                    wake()
        raise EngineDown(f"cannot {what}: the engine ended the stream; is it restarting?")

    def _place(self, what: str) -> network.Place:
        """A fixed address that none of our containers has, whatever state it is in."""
        with self._asking(what) as client:
            listed = client.containers(all=True, filters={"label": f"{DEVICE}={self._device}"})
            ours = [inspected(client, entry["Id"]) for entry in listed]
            return network.place(client, self._device, [one for one in ours if one is not None])

    def _figures(self, container: Container, host_memory: int) -> ContainerFigures | None:
        with contextlib.suppress(NotFound), self._asking(f"measure {container.module}") as client:
            stats = client.stats(container.id, stream=False, one_shot=True)
            return readings.figures(container.module, stats, host_memory)
        return None

    def _host_memory(self) -> int:
        """What a container without a limit is told as its limit. A race of two threads costs one call."""
        if self._memory_bytes is None:
            with self._asking("ask for the host's memory") as client:
                self._memory_bytes = int(client.info()["MemTotal"])
        return self._memory_bytes

    def _handed(self, folder: str, names: Sequence[str]) -> Path | None:
        """Where the secrets of these names lie for the container that is called like *folder*."""
        if not names:
            return None
        if self._secrets is None:
            raise EngineRefused(f"cannot hand secrets to {folder}: there is no place for them here")
        return self._secrets.lay(folder, names)

    def _door(self, name: str, module: str, streams: Sequence[tuple[str, str]]) -> Path | None:
        """Where the socket lies that the container *name* sends messages to."""
        if not streams:
            return None
        if self._doors is None:
            raise EngineRefused(f"cannot take messages from {name}: there is no place for them here")
        return self._doors.open(name, module, streams)

    def _require_ours(self, client: docker.APIClient, container: str) -> Mapping[str, Any]:
        found = inspected(client, container)
        if found is None or (found["Config"].get("Labels") or {}).get(DEVICE) != self._device:
            raise NotFound(f"cannot find container {container[:12]}: this device has none of that id")
        return found
