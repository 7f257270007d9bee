"""What does an Azure IoT Hub say of all its devices? Its service API: twins, a page at a time."""

from __future__ import annotations

import base64
import binascii
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from edgetender.errors import ConfigInvalid, LinkDown, Problem
from edgetender.fleet.hub.access import signature
from edgetender.secret import Secret

_VERSION = "api-version=2021-04-12"
_TIMEOUT_S = 30.0
_TOKEN_S = 600
_PAGE = "100"
_QUERY = json.dumps({"query": "SELECT * FROM devices"}).encode()
_LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Policy:
    """Who we are to the hub: a shared access policy that may read its registry, and write twins to push."""

    name: str
    key: Secret


class HubService:
    """The hub at *address*, `https://NAME.azure-devices.net`; a stand-in on this machine is `http://127.0.0.1:8089`.

    Raises ConfigInvalid for an address that is neither. Threads: any; each call is a connection of its own.
    """

    def __init__(self, address: str, policy: Policy | None) -> None:
        try:
            url = urlsplit(address)
            self._host, self._port, self._local = url.hostname or "", url.port, url.scheme == "http"
        except ValueError as error:
            raise _no_hub(address) from error
        if (self._host not in _LOCAL) if self._local else (url.scheme != "https" or not self._host):
            raise _no_hub(address)
        self._policy = policy
        self.endpoint = address

    def twins(self) -> Iterator[Mapping[str, Any]]:
        """The twin of every device; those of modules are not among them. Raises LinkDown."""
        more = ""
        while True:
            headers = {"x-ms-max-item-count": _PAGE} | ({"x-ms-continuation": more} if more else {})
            found, more = self._asked("POST", "/devices/query", _QUERY, headers)
            yield from (one for one in found if isinstance(one, dict))
            if not more:
                return

    def twin(self, device: str) -> Mapping[str, Any]:
        """Raises LinkDown."""
        found, _ = self._asked("GET", f"/twins/{quote(device, safe='')}", b"", {})
        return found if isinstance(found, dict) else {}

    def desire(self, device: str, patch: Mapping[str, Any]) -> None:
        """Merge *patch* into what the device's twin desires. Raises LinkDown, with the hub's reason."""
        body = json.dumps({"properties": {"desired": patch}}).encode()
        self._asked("PATCH", f"/twins/{quote(device, safe='')}", body, {})

    def _asked(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[Any, str]:
        """The answer's document, and where the next page begins."""
        made = http.client.HTTPConnection if self._local else http.client.HTTPSConnection
        link = made(self._host, self._port, timeout=_TIMEOUT_S)
        told = {"Content-Type": "application/json"} | dict(headers) | self._authorization()
        try:
            link.request(method, f"{path}?{_VERSION}", body, told)
            answer = link.getresponse()
            said, more = answer.read(), answer.getheader("x-ms-continuation") or ""
        except (OSError, http.client.HTTPException) as error:
            raise LinkDown(f"cannot ask the hub {self.endpoint}: {error}") from error
        finally:
            link.close()
        try:
            document = json.loads(said) if said else None
        except ValueError:
            document = None
        if answer.status >= http.client.MULTIPLE_CHOICES:
            why = document.get("Message") or document.get("message") if isinstance(document, dict) else ""
            hint = "; may the policy do this?" if answer.status in (401, 403) else ""
            raise LinkDown(
                f"cannot ask the hub {self.endpoint}: {answer.status} {why or answer.reason}{hint}"
            )
        return document, more

    def _authorization(self) -> dict[str, str]:
        if self._policy is None:
            return {}
        token = signature(self._policy.key.reveal(), self._host, int(time.time()) + _TOKEN_S)
        return {"Authorization": f"{token}&skn={quote(self._policy.name, safe='')}"}


def _no_hub(address: str) -> ConfigInvalid:
    said = "write it like https://NAME.azure-devices.net"
    return ConfigInvalid((Problem("--hub", "config.value", f"{address!r} is no hub: {said}"),))


def policy_in(connection: str) -> Policy:
    """What a hub's connection string says of who we are. Raises ConfigInvalid."""
    parts = dict(one.partition("=")[::2] for one in connection.strip().split(";"))
    try:
        name, key = parts["SharedAccessKeyName"], parts["SharedAccessKey"]
        base64.b64decode(key, validate=True)
    except KeyError as missing:
        said = f"{missing} is missing; it is the connection string of a shared access policy, not of a device"
    except binascii.Error:
        said = "its SharedAccessKey is no base64; is a part of it missing?"
    else:
        return Policy(name, Secret(key))
    raise ConfigInvalid((Problem("EDGETENDER_HUB_CONNECTION", "config.value", said),))
