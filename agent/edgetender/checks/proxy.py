"""Do the agent and the engine go out by the same proxy, and is it there?"""

from __future__ import annotations

from urllib.parse import urlsplit

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn
from edgetender.errors import AgentError


def run(device: Device) -> Finding:
    mine = _of(device.environ)
    try:
        engines = device.engine.facts().https_proxy
    except AgentError:
        engines = mine  # docker-api says so
    for whose, address in (("the agent's", mine), ("the engine's", engines)):
        if address and (why := _unreachable(device, address)):
            said = f"{whose} proxy {_shown(address)} cannot be reached: {why}"
            return fail(said, "correct HTTPS_PROXY (and NO_PROXY) in systemctl edit edgetender, and docker")
    if _shown(mine) != _shown(engines):
        said = f"the agent goes out by {_shown(mine)}, the engine by {_shown(engines)}"
        return warn(said, "set the same HTTPS_PROXY in systemctl edit edgetender, and systemctl edit docker")
    return ok(f"both go out by {_shown(mine)}")


def _of(environ: object) -> str:
    get = getattr(environ, "get")  # noqa: B009  any mapping
    return str(get("HTTPS_PROXY") or get("https_proxy") or "")


def _unreachable(device: Device, address: str) -> str:
    parts = urlsplit(address if "://" in address else f"http://{address}")
    try:
        device.network.reach(parts.hostname or "", parts.port or 3128)
    except ValueError:
        return "its port is no number"
    except OSError as error:
        return error.strerror or "no answer in time"
    return ""


def _shown(address: str) -> str:
    """Without user and password."""
    return address.rpartition("@")[2].rpartition("://")[2].rstrip("/") or "no proxy"


CHECK = Check(
    "proxy",
    "the agent and the engine use the same proxy",
    "connectivity",
    "The agent asks registries what a tag names, the engine fetches the image: if one of them cannot go out, "
    "deployments stop half-way.",
    run,
)
