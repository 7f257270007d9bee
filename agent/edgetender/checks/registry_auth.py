"""Can every image that is deployed be fetched again, with the credential it names?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip
from edgetender.config.settings import RegistrySettings
from edgetender.errors import (
    AgentError,
    CredentialUnusable,
    ImageMissing,
    RegistryDenied,
    RegistryUnreachable,
)
from edgetender.model.hardware import native_architecture
from edgetender.model.target import ImageWanted


def run(device: Device) -> Finding:
    if device.wanted is None:
        return skip("only a running agent knows what is deployed")
    wanted = {one.reference: one for one in device.wanted}
    if not wanted:
        return skip("nothing is deployed")
    broken = {name: error for name, one in wanted.items() if (error := _refusal(device, one)) is not None}
    if not broken:
        return ok(f"{len(wanted)} image{'s' * (len(wanted) > 1)} can be fetched: {', '.join(sorted(wanted))}")
    said = "; ".join(str(error).partition("; ")[0] for error in broken.values())
    name, first = next(iter(broken.items()))
    return fail(said, _repair(device, wanted[name], first))


def _refusal(device: Device, wanted: ImageWanted) -> AgentError | None:
    architecture = str(device.hardware().value("arch") or native_architecture())
    try:
        credential = (
            device.credentials.get(wanted.credential, wanted.parsed.registry) if wanted.credential else None
        )
        device.images.resolve(wanted.parsed, credential=credential, architecture=architecture)
    except AgentError as error:
        return error
    return None


def _repair(device: Device, wanted: ImageWanted, error: AgentError) -> str:
    registry = wanted.parsed.registry
    match error:
        case CredentialUnusable():
            return str(error).partition("; ")[2].removeprefix("run: ")
        case RegistryDenied() if wanted.credential:
            name, hint = wanted.credential, str(error).partition("; ")[2]
            if "password" in hint or not hint:
                hint = f"write the right password into the credential {name!r}, then:"
            return f"{hint} edgetender check registry-auth"
        case RegistryDenied():
            return f"name a credential for {registry} in the manifest: registries.{registry}.credential"
        case ImageMissing():
            return f"push {wanted.reference} again, for this device's architecture too"
        case RegistryUnreachable():
            reached = device.settings.registries.get(registry, RegistrySettings())
            trusted = f" --cacert {reached.ca}" if reached.ca else ""
            return f"curl -sSI{trusted} http{'' if reached.plain_http else 's'}://{registry}/v2/"
        case _:
            return "edgetender check registry-auth says it again when it was repaired"


CHECK = Check(
    "registry-auth",
    "every deployed image can be fetched",
    "connectivity",
    "What runs keeps running; but a device that loses its images cannot get them back, and updates stop.",
    run,
    needs=("config-parse", "dns", "proxy", "clock"),
)
