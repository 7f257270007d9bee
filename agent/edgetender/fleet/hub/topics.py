"""Which topics does an IoT Hub know, and what stands in them? Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

TWIN_RESPONSES = "$iothub/twin/res/#"
DESIRED = "$iothub/twin/PATCH/properties/desired/#"
METHODS = "$iothub/methods/POST/#"
_GET, _REPORTED, _RESULT = (
    "$iothub/twin/GET/",
    "$iothub/twin/PATCH/properties/reported/",
    "$iothub/methods/res/",
)
_RID = re.compile(r"[?&]\$rid=([^&]*)")


def root_of(client_id: str) -> str:
    """`devices/cam7`, or `devices/cam7/modules/scorer` for a module."""
    device, _, module = client_id.partition("/")
    return f"devices/{device}/modules/{module}" if module else f"devices/{device}"


def devicebound(client_id: str) -> str:
    return f"{root_of(client_id)}/messages/devicebound/"


def may_subscribe(client_id: str, topic: str) -> bool:
    """Whether *topic* is one of those that *client_id* may listen to; for others the hub hangs up."""
    inputs = f"{root_of(client_id)}/inputs/#"
    return topic in {TWIN_RESPONSES, DESIRED, METHODS, f"{devicebound(client_id)}#", inputs}


def kind_of(client_id: str, topic: str) -> str:
    """What a device publishes there: `twin get`, `reported`, `method result`, `telemetry`, or nothing known."""
    for start, kind in ((_GET, "twin get"), (_REPORTED, "reported"), (_RESULT, "method result")):
        if topic.startswith(start):
            return kind
    return "telemetry" if topic.startswith(f"{root_of(client_id)}/messages/events/") else ""


def request_id(topic: str) -> str:
    found = _RID.search(topic)
    return unquote(found[1]) if found else ""


def result_status(topic: str) -> int:
    """The status in `$iothub/methods/res/{status}/?$rid=…`. Raises ValueError."""
    return int(topic.removeprefix(_RESULT).partition("/")[0])


def properties_of(client_id: str, topic: str) -> dict[str, str]:
    """What a telemetry message's topic carries after its name."""
    bag = topic.removeprefix(f"{root_of(client_id)}/messages/events/")
    pairs = (pair.partition("=") for pair in bag.split("&") if pair)
    return {unquote(name): unquote(value) for name, _, value in pairs}


def bag(properties: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in properties.items())
