"""One module of an IoT Edge deployment as one of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgetender.convert.create_options import joined, mapped
from edgetender.convert.findings import TYPE, Findings
from edgetender.model.image import parse_reference
from edgetender.model.manifest import ENV_NAME

_KEYS = frozenset({
    "type", "version", "status", "restartPolicy", "imagePullPolicy", "startupOrder", "env", "settings",
    "configuration",
})  # fmt: skip
_RESTARTS = {"always": "always", "on-failure": "on-failure", "never": "never", "on-unhealthy": "on-failure"}


def module_of(document: Any, path: str, findings: Findings) -> dict[str, Any] | None:
    """The module's entry in a manifest; None for one that is not to run, or that has faults."""
    if not findings.expect(document, dict, path, "a JSON object"):
        return None
    for key in sorted(document.keys() - _KEYS):
        findings.unsupported(f"{path}.{key}", f"IoT Edge has no {key!r} for a module")
    if document.get("type") != "docker":
        findings.fault(f"{path}.type", "iotedge.value", "must be 'docker'")
    settings = document.get("settings")
    if not findings.expect(settings, dict, f"{path}.settings", "a JSON object with the image"):
        return None
    image = _image(settings, f"{path}.settings", findings)
    options = mapped(
        joined(settings, f"{path}.settings", findings), f"{path}.settings.createOptions", findings
    )
    env = options.pop("env", {}) | _environment(document.get("env"), f"{path}.env", findings)
    _names(env, f"{path}.env", findings)
    gpu = options.pop("gpu", None)
    entry: dict[str, Any] = {"image": image}
    if gpu is not None:
        findings.note(
            gpu, "iotedge.gpu", "runs on devices with an NVIDIA GPU alone; add variants for the others"
        )
        entry = {"variants": [{"name": "gpu", "image": image, "requires": {"accelerator": "nvidia"}}]}
    if env:
        entry["env"] = env
    entry |= options
    _policies(document, path, entry, findings)
    status = document.get("status", "running")
    if status not in ("running", "stopped"):
        findings.fault(f"{path}.status", "iotedge.value", f"must be running or stopped, not {status!r}")
    if status == "stopped":
        findings.note(f"{path}.status", "iotedge.stopped", "not to run: left out, its volumes stay")
        return None
    return entry


def _image(settings: Mapping[str, Any], path: str, findings: Findings) -> str:
    image = settings.get("image")
    if settings.get("digest"):
        findings.note(
            f"{path}.digest", "iotedge.no_effect", "a remainder of content trust; pin it in the image"
        )
    if not isinstance(image, str):
        findings.fault(f"{path}.image", TYPE, "must be an image, like registry.example/model:1")
        return ""
    image = image.strip()
    if image.startswith("$upstream"):
        findings.unsupported(f"{path}.image", "there is no parent to pull through; name its registry")
        return ""
    before = len(findings.faults)
    findings.check(parse_reference, image, f"{path}.image", "image.reference")
    if len(findings.faults) == before and "@" not in image and ":" not in image.rpartition("/")[2]:
        findings.note(f"{path}.image", "image.tag", "has no tag, which means :latest; better pin it")
    return image


def _environment(value: Any, path: str, findings: Findings) -> dict[str, str]:
    env: dict[str, str] = {}
    if value is None or not findings.expect(value, dict, path, 'an object like {"NAME": {"value": "text"}}'):
        return env
    for name, entry in value.items():
        where = f"{path}.{name}"
        if not isinstance(entry, dict) or entry.keys() - {"value"}:
            findings.fault(where, TYPE, 'must be an object like {"value": "text"}')
        elif isinstance(text := entry.get("value"), str):
            env[name] = text
        elif isinstance(text, int | float):  # true as JSON spells it, not as .NET does
            env[name] = str(text).lower() if isinstance(text, bool) else str(text)
        else:
            findings.fault(f"{where}.value", TYPE, "must be text, a number or true and false")
    return env


def _names(env: Mapping[str, str], path: str, findings: Findings) -> None:
    for name in env:
        if not ENV_NAME.fullmatch(name):
            findings.fault(
                f"{path}.{name}", "iotedge.value", f"{name!r} is no name for an environment variable"
            )


def _policies(document: Mapping[str, Any], path: str, entry: dict[str, Any], findings: Findings) -> None:
    restart = document.get("restartPolicy", "always")
    if restart not in _RESTARTS:
        findings.fault(
            f"{path}.restartPolicy",
            "iotedge.value",
            f"must be one of {', '.join(_RESTARTS)}, not {restart!r}",
        )
    elif restart == "on-unhealthy":
        why = "had no effect there beyond on-failure; give the module a health check for it to have one"
        findings.note(f"{path}.restartPolicy", "iotedge.on_unhealthy", why)
    if restart in _RESTARTS and _RESTARTS[restart] != "always":
        entry["restart"] = _RESTARTS[restart]
    pull = document.get("imagePullPolicy", "on-create")
    if pull == "never":
        why = "an image that is here is never pulled again; one that is missing is"
        findings.note(f"{path}.imagePullPolicy", "iotedge.pull", why)
    elif pull != "on-create":
        findings.fault(
            f"{path}.imagePullPolicy", "iotedge.value", f"must be on-create or never, not {pull!r}"
        )
    if "startupOrder" in document:
        findings.expect(document["startupOrder"], int, f"{path}.startupOrder", "a whole number")
    if document.get("version"):
        findings.note(f"{path}.version", "iotedge.version", "the deployment has one version for all modules")
