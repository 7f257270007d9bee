"""Over Azure IoT Hub: a hub of our own, the unmodified SDK in the device, and an operator who watches the twin."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.clean import DEVICE
from demo.narrator import StoryFailed
from demo.parts.process import PartFailed, free_alias
from demo.upstream import Upstream
from edgetender.fleet.hub.admin import server
from edgetender.fleet.hub.hub import PORT, LocalHub
from edgetender.fleet.hub.twin import TwinRefused
from edgetender.transports.iothub_twin import in_chunks

if TYPE_CHECKING:
    from demo.device import Device
    from demo.parts.identities import Authority

SDK = Path(__file__).resolve().parents[1] / ".venv" / "azure"
_CREDENTIAL = "demo-hub"
_LOOK_EVERY_S = 0.05
_NOTHING: dict[str, Any] = {
    "lastDesiredStatus": {"code": 0}, "accepted": None, "candidate": None, "modules": {},
}  # fmt: skip


class HubUpstream(Upstream):
    """The hub is in this process. A hub tells nobody what a device wrote into its twin, so it is looked at."""

    name, carrier = "hub", "an IoT Hub"
    presence = "the hub has a connection of the device"
    delivery = "a desired property in chunks; the hub keeps it, the device reads the whole twin"
    about = "an IoT Hub of our own: TLS, signatures, twins, messages, methods"

    def __init__(self, _home: Path, authority: Authority) -> None:
        super().__init__()
        if not SDK.is_dir():
            raise PartFailed(
                "cannot start a device of an IoT Hub: no SDK in .venv/azure; ./run setup puts it there"
            )
        self.where = free_alias(PORT)
        pair = authority.issue(self.where, self.where)
        self.hub = LocalHub(self.where, pair.certificate, pair.key)
        self._ca = authority.certificate
        self._admin = server(self.hub, "127.0.0.1", 0)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._watch, self._admin.serve_forever)
        ]

    def start(self) -> None:
        self.hub.__enter__()
        self.hub.register(DEVICE)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        self._threads[0].join(10)
        self._admin.shutdown()
        self._admin.server_close()
        self.hub.__exit__(None, None, None)

    def go_away(self) -> None:
        self.hub.go_away()

    def come_back(self) -> None:
        self.hub.come_back()

    def transport(self, credentials: Path) -> str:
        secret = credentials / _CREDENTIAL
        secret.touch(mode=0o600)
        secret.write_text(json.dumps({"username": DEVICE, "password": self.hub.connection_string(DEVICE)}))
        return f'kind = "iothub"\npassword_credential = "{_CREDENTIAL}"\nca = "{self._ca}"\n'

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": os.pathsep.join(filter(None, (str(SDK), os.environ.get("PYTHONPATH"))))}

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> float:  # noqa: ARG002  # a twin stays
        if topic != "desired":
            raise StoryFailed(f"a hub has no {topic!r} to write to")
        at = time.monotonic()
        self.hub.replace_desired(DEVICE, {"deployment": in_chunks(body)})
        return at

    def push(self, device: Device, manifest: Path) -> None:  # noqa: ARG002  # whoever may write twins does it
        """What `az iot hub device-twin replace` would do."""
        try:
            self.publish("desired", manifest.read_bytes())
        except TwinRefused as refusal:
            raise StoryFailed(f"the hub does not take {manifest.name}: {refusal}") from refusal

    def hints(self) -> str:
        url = f"http://127.0.0.1:{self._admin.server_port}"
        return f"""
  curl -s {url}/twins/{DEVICE}                   # what an Azure portal would show
  curl -s {url}/twins/{DEVICE}/methods -d '{{"methodName": "Status"}}'
  curl -s {url}/messages/{DEVICE}
"""

    def _watch(self) -> None:
        online, version, seen = False, 0, 0
        while not self._over.wait(_LOOK_EVERY_S):
            if online is not self.hub.is_connected(DEVICE):
                online = not online
                state = {"state": "online" if online else "offline", "session": self.hub.counts(DEVICE)[0]}
                self._remember("status", state, retained=True)
            reported = self.hub.twin(DEVICE)["reported"]
            if reported["$version"] != version:
                version = reported["$version"]
                # as over MQTT; `lastDesiredVersion` is the twin's own version here
                same = {"lastDesiredVersion": reported.get("deploymentVersion")}
                self._remember("reported", _NOTHING | reported | same, retained=True)
            for message in self.hub.messages(DEVICE)[seen:]:
                seen += 1
                for body in message.bodies():
                    self._remember(message.properties["kind"], body, retained=False)
