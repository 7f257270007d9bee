"""Azure IoT Edge's deployment manifests, in files with their layers or as a device sees them in its twin."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgetender.convert.findings import TYPE, Findings
from edgetender.convert.iotedge_module import module_of
from edgetender.convert.iotedge_order import put_in_order
from edgetender.errors import ManifestInvalid, Problem
from edgetender.model.manifest import MAX_VERSION, SCHEMA
from edgetender.model.reading import manifest_of

DEPLOYMENT = "iotedge"  # what it is called where nobody says; IoT Edge keeps the name in the cloud
AGENT, HUB, DESIRED = "$edgeAgent", "$edgeHub", "properties.desired"
_SCHEMA_VERSION = re.compile(r"1\.[01](\.0)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_KEYS = frozenset({"schemaVersion", "runtime", "systemModules", "modules", "integrity"})
_HUB_S_WORK = "edgetender has no edgeHub"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A manifest as a document, and what was changed or left behind on the way, each with its path."""

    manifest: dict[str, Any]
    notes: tuple[Problem, ...]


def is_iotedge(document: Any) -> bool:
    """Whether *document* is an IoT Edge deployment, in a file or in a twin; not whether it is a sound one."""
    if not isinstance(document, dict) or "schema" in document:
        return False
    inner = document.get("content")
    below = isinstance(inner, dict) and "modulesContent" in inner
    return "modulesContent" in document or below or is_twin(document)


def is_twin(document: Any) -> bool:
    """Whether *document* is `$edgeAgent`'s desired properties, as its module twin has them."""
    keys = document.keys() if isinstance(document, dict) else frozenset()
    return "schema" not in keys and bool(keys & {"runtime", "systemModules", "$version"})


def convert(
    documents: Sequence[Any],
    *,
    version: int,
    deployment: str = DEPLOYMENT,
    left_out: frozenset[str] = frozenset(),
) -> Conversion:
    """The manifest that *documents* amount to: a deployment, then its layers, a later one winning.

    Raises ManifestInvalid with every fault; what a manifest cannot say is one, unless its path is *left_out*.
    """
    findings = Findings(left_out)
    content: dict[str, dict[str, Any]] = {}
    prefix = ""
    for document in documents:
        if is_twin(document):
            _lay(content, {AGENT: {DESIRED: document}}, "", findings)
            continue
        where = "modulesContent" if "modulesContent" in document else "content.modulesContent"
        found = document if "modulesContent" in document else document["content"]
        prefix = prefix or f"{where}."
        if findings.expect(found["modulesContent"], dict, where, "a JSON object"):
            _lay(content, found["modulesContent"], f"{where}.", findings)
    path = f"{prefix}{AGENT}.{DESIRED}." if prefix else ""
    agent = content.pop(AGENT, {})
    manifest = _agent(agent, path, findings, version=version, deployment=deployment)
    _hub(content.pop(HUB, {}), f"{prefix}{HUB}.{DESIRED}.", findings)
    for name in sorted(content):
        why = "configuration of the module itself, not of the deployment; give it as env or as a file"
        findings.note(f"{prefix}{name}.{DESIRED}", "iotedge.module_twin", why)
    findings.settle()
    _proven(manifest, agent.get("modules") or {}, path, findings)
    findings.settle()
    return Conversion(manifest, tuple(sorted(findings.notes, key=lambda note: note.path)))


def delivered(document: Any) -> Any:
    """The manifest that a *document* from upstream is: as it came, or converted from `$edgeAgent`'s twin.

    The twin's `$version` becomes the version: it only ever rises. Raises ManifestInvalid.
    """
    if is_twin(document):
        version = document.get("$version")
        sound = isinstance(version, int) and not isinstance(version, bool)
        return convert([document], version=version if sound else 0).manifest
    if is_iotedge(document):
        why = "an IoT Edge deployment has no version; give it one: edgetender convert --version N FILE"
        raise ManifestInvalid((Problem("modulesContent", "iotedge.no_version", why),))
    return document


def _lay(
    content: dict[str, dict[str, Any]], layer: Mapping[str, Any], prefix: str, findings: Findings
) -> None:
    """Put *layer* over *content*: whole desired properties replace, flattened paths replace what they name."""
    for target, parts in layer.items():
        if not findings.expect(parts, dict, f"{prefix}{target}", "a JSON object"):
            continue
        for key in sorted(parts, key=lambda key: key.count(".")):
            value, where = parts[key], f"{prefix}{target}.{key}"
            if key == DESIRED:
                if findings.expect(value, dict, where, "a JSON object"):
                    content[target] = copy.deepcopy(value)
                continue
            if not key.startswith(f"{DESIRED}."):
                findings.unsupported(where, f"a layer says {DESIRED} or a path below it")
                continue
            *parents, last = key.removeprefix(f"{DESIRED}.").split(".")
            spot = content.setdefault(target, {})
            for parent in parents:
                inner = spot.setdefault(parent, {})
                if not isinstance(inner, dict):
                    findings.fault(where, TYPE, f"{parent} holds no object to lay this into")
                    break
                spot = inner
            else:
                spot[last] = copy.deepcopy(value)


def _agent(
    desired: Mapping[str, Any], path: str, findings: Findings, *, version: int, deployment: str
) -> dict[str, Any]:
    manifest: dict[str, Any] = {"schema": SCHEMA, "deployment": deployment, "version": version, "modules": {}}
    if not 1 <= version <= MAX_VERSION:
        findings.fault(f"{path}$version", "iotedge.value", f"a version is 1 to {MAX_VERSION}, not {version}")
    _envelope(desired, path, findings)
    registries = _runtime(desired.get("runtime"), f"{path}runtime", findings)
    if registries:
        manifest["registries"] = registries
    modules = desired.get("modules")
    if modules is not None and findings.expect(modules, dict, f"{path}modules", "a JSON object"):
        manifest["modules"] = dict(_modules(modules, f"{path}modules.", findings))
        put_in_order(manifest["modules"], modules, f"{path}modules.", findings)
    if not manifest["modules"]:
        manifest["allow_empty"] = True  # that is what it says: no module is to run
    return manifest


def _envelope(desired: Mapping[str, Any], path: str, findings: Findings) -> None:
    """What stands around the modules."""
    here = path.removesuffix(".")
    if not desired:
        findings.fault(here, "iotedge.empty", "there is nothing in it for the agent")
        return
    if "runtime" not in desired and "schemaVersion" not in desired:
        findings.fault(here, "iotedge.layer", "a layer is no deployment; name the deployment below it first")
    elif not _SCHEMA_VERSION.fullmatch(str(desired.get("schemaVersion"))):
        found = desired.get("schemaVersion")
        findings.fault(
            f"{path}schemaVersion", "iotedge.schema_version", f"1.0 and 1.1 are read, not {found!r}"
        )
    for key in sorted(desired.keys() - _KEYS):
        if not key.startswith("$"):
            findings.unsupported(f"{path}{key}", f"IoT Edge has no {key!r} here")
    if desired.get("integrity"):
        findings.note(
            f"{path}integrity", "iotedge.no_effect", "a signature that nothing verifies, there as here"
        )
    system = desired.get("systemModules")
    for name in sorted(system) if isinstance(system, dict) else ():
        where = f"{path}systemModules.{name}"
        findings.note(where, "iotedge.system_module", "not imported: edgetender does its work")


def _proven(manifest: dict[str, Any], originals: Mapping[str, Any], path: str, findings: Findings) -> None:
    """What a manifest itself is refused for (a port given twice, an address), at the path it came from."""
    try:
        manifest_of(manifest)
    except ManifestInvalid as error:
        names = {name.lower(): name for name in originals}
        for problem in error.problems:
            module = re.match(r"modules\.([^.\[]+)", problem.path)
            where = f"modules.{names.get(module[1], module[1])}" if module else ""
            findings.fault(f"{path}{where}".rstrip("."), problem.code, str(problem))


def _modules(modules: Mapping[str, Any], path: str, findings: Findings) -> Iterator[tuple[str, Any]]:
    taken: dict[str, str] = {}
    for original, document in modules.items():
        where, name = f"{path}{original}", original.lower()
        if not _NAME.fullmatch(name):
            findings.fault(
                where, "iotedge.name", f"{original!r} is no name here: a-z, 0-9, - and _ inside, 63 at most"
            )
        if name in taken:
            findings.fault(where, "iotedge.name", f"{original!r} and {taken[name]!r} are one name here")
        taken[name] = original
        entry = module_of(document, where, findings)
        if entry is not None:
            if name != original:
                findings.note(where, "iotedge.name", f"is called {name} here")
            yield name, entry


def _runtime(runtime: Any, path: str, findings: Findings) -> dict[str, Any]:
    """The registries that need a credential, by address; what the credential is stays behind."""
    if runtime is None or not findings.expect(runtime, dict, path, "a JSON object"):
        return {}
    if runtime.get("type") != "docker":
        findings.fault(f"{path}.type", "iotedge.value", "must be 'docker'")
    settings = runtime.get("settings") or {}
    if not findings.expect(settings, dict, f"{path}.settings", "a JSON object"):
        return {}
    if settings.get("minDockerVersion"):
        findings.note(
            f"{path}.settings.minDockerVersion", "iotedge.no_effect", "was never enforced there either"
        )
    if settings.get("loggingOptions"):
        findings.note(f"{path}.settings.loggingOptions", "iotedge.logs", "the agent keeps 3 files of 10 MB")
    registries: dict[str, Any] = {}
    credentials = settings.get("registryCredentials") or {}
    if not findings.expect(credentials, dict, f"{path}.settings.registryCredentials", "a JSON object"):
        return {}
    for key, one in credentials.items():
        where, name = f"{path}.settings.registryCredentials.{key}", key.lower()
        address = one.get("address") if isinstance(one, dict) else None
        if not isinstance(address, str) or not address:
            findings.fault(f"{where}.address", TYPE, "must be the registry, like registry.example")
        elif not _NAME.fullmatch(name):
            findings.fault(where, "iotedge.name", f"{key!r} is no name for a credential here")
        else:
            registries[address.removeprefix("https://").rstrip("/")] = {"credential": name}
            why = f"left behind; put it on the device as the credential {name!r} (and change it: it was readable)"
            findings.note(where, "iotedge.credential", why)
    return registries


def _hub(desired: Mapping[str, Any], path: str, findings: Findings) -> None:
    routes = desired.get("routes")
    for name, route in sorted(routes.items()) if isinstance(routes, dict) else ():
        text = route.get("route") if isinstance(route, dict) else route
        into = str(text).rpartition("INTO ")[2].strip()
        why = (
            "a module posts to the agent's socket, on the streams that it names"
            if into == "$upstream"
            else "modules meet at ports"
        )
        findings.note(f"{path}routes.{name}", "iotedge.route", f"not applicable, {_HUB_S_WORK}: {why}")
    for key in sorted(desired.keys() - {"routes", "schemaVersion"}):
        if not key.startswith("$"):
            findings.note(f"{path}{key}", "iotedge.hub", f"not applicable: {_HUB_S_WORK}")
