"""Which hub is a device's, and who is it there? The Device Provisioning Service's protocol, for one hub."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from edgetender.fleet.hub import packets
from edgetender.fleet.hub.access import Identity, derived_key, new_key, shown, signed
from edgetender.fleet.hub.packets import Connect, Publish, Short, Subscribe
from edgetender.fleet.hub.state import HangUp

if TYPE_CHECKING:
    from edgetender.fleet.hub.hub import LocalHub

RESPONSES = "$dps/registrations/res/#"
_REGISTER = "$dps/registrations/PUT/iotdps-register/"
_ASK = "$dps/registrations/GET/iotdps-get-operationstatus/"
_PARAMETER = re.compile(r"[?&](\$rid|operationId)=([^&]*)")
_USER = re.compile(r"(?P<scope>[^/]+)/registrations/(?P<registration>[^/]+)/api-version=\S*")
_NO_SUCH = 404


@dataclass(slots=True)
class Enrollment:
    """One device: by its keys, or by a certificate with its name that an authority of the hub signed."""

    keys: tuple[str, ...] = ()
    by_certificate: bool = False
    device: str = ""  # its name at the hub; that of the registration where it is empty


@dataclass(slots=True)
class Provisioning:
    """Individual enrolments and one group's key. *registered* counts by registration; *retry_after_s* is what
    devices are told while they are being assigned. Lives on the hub's loop; `enroll` may be called from any thread.
    """

    hub: LocalHub
    id_scope: str = "0ne00000001"
    group_key: str = field(default_factory=new_key)
    enrollments: dict[str, Enrollment] = field(default_factory=dict)
    operations: dict[str, str] = field(default_factory=dict)
    registered: dict[str, int] = field(default_factory=dict)
    retry_after_s: int = 1

    def enroll(
        self,
        registration: str,
        *,
        keys: tuple[str, ...] | None = None,
        by_certificate: bool = False,
        device: str = "",
    ) -> Enrollment:
        """With *keys*, else with new ones."""
        if keys is None:
            keys = () if by_certificate else (new_key(), new_key())
        self.enrollments[registration] = Enrollment(keys, by_certificate, device)
        return self.enrollments[registration]

    def admit(self, connect: Connect, tls: ssl.SSLObject | None) -> bool:
        """Whether it is who it says."""
        user = _USER.fullmatch(connect.username)
        if user is None or user["scope"] != self.id_scope or user["registration"] != connect.client_id:
            return False
        registration = connect.client_id
        enrollment = self.enrollments.get(registration)
        if enrollment is not None and enrollment.by_certificate:
            certificate = shown(tls)
            return certificate is not None and certificate.common_name == registration
        keys = enrollment.keys if enrollment is not None else (derived_key(self.group_key, registration),)
        resource = f"{self.id_scope}/registrations/{registration}"
        return signed(connect.password, resource, keys, self.hub.now()) is not None

    async def serve(
        self, connect: Connect, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """From CONNECT on; errors end it."""
        if not self.admit(connect, writer.get_extra_info("ssl_object")):
            writer.write(packets.connack(packets.UNAUTHORIZED))
            await writer.drain()
            return
        writer.write(packets.connack(packets.ACCEPTED))
        while True:
            match await packets.receive(reader):
                case Publish() as said:
                    if said.number is not None:
                        writer.write(packets.puback(said.number))
                    writer.write(self._answer(connect.client_id, said))
                case Subscribe(number=number, filters=filters, ends=False):
                    if any(topic != RESPONSES for topic, _ in filters):
                        raise HangUp("an unknown subscription")
                    writer.write(packets.suback(number, bytes(len(filters))))
                case Subscribe(number=number):
                    writer.write(packets.unsuback(number))
                case Short(kind=packets.PINGREQ):
                    writer.write(packets.PINGRESP)
                case Short(kind=packets.DISCONNECT):
                    return
            await writer.drain()

    def _answer(self, registration: str, said: Publish) -> bytes:
        parameters = {name: unquote(value) for name, value in _PARAMETER.findall(said.topic)}
        request = parameters.get("$rid", "")
        if said.topic.startswith(_REGISTER):
            operation = str(uuid.uuid4())
            self.operations[operation] = registration
            body: dict[str, Any] = {"operationId": operation, "status": "assigning"}
            topic = f"$dps/registrations/res/202/?$rid={request}&retry-after={self.retry_after_s}"
            return packets.publish(topic, json.dumps(body).encode())
        if not said.topic.startswith(_ASK):
            raise HangUp(f"it may not publish to {said.topic}")
        operation = parameters.get("operationId", "")
        if self.operations.get(operation) != registration:
            return packets.publish(f"$dps/registrations/res/{_NO_SUCH}/?$rid={request}", b"{}")
        state = {"registrationId": registration, "assignedHub": self.hub.address}
        state |= {
            "deviceId": self._assigned(registration),
            "status": "assigned",
            "substatus": "initialAssignment",
        }
        body = {"operationId": operation, "status": "assigned", "registrationState": state}
        return packets.publish(f"$dps/registrations/res/200/?$rid={request}", json.dumps(body).encode())

    def _assigned(self, registration: str) -> str:
        """The device's name at the hub, which knows it from now on."""
        enrollment = self.enrollments.get(registration) or Enrollment(
            (derived_key(self.group_key, registration),)
        )
        device = enrollment.device or registration
        self.hub.know(Identity(device, enrollment.keys, by_authority=enrollment.by_certificate))
        self.registered[registration] = self.registered.get(registration, 0) + 1
        return device
