"""Which manifest brings a service to a device? The one it had from here, with the service in it, a version higher."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from edgetender import durable
from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, NotFound, Permanent, Problem
from edgetender.model.reading import manifest_of
from edgetender.packaging.writer import writer

_SERVICE = re.compile(r"^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$")
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})")
DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def name_problems(name: str) -> list[Problem]:
    """What is wrong with a service's name, by the original's rule."""
    if _SERVICE.match(name) and len(name) >= 3:  # noqa: PLR2004
        return []
    text = f"{name!r}: 3 to 32 of a-z, 0-9 and '-', beginning with a letter"
    return [Problem("--name", "service.name", text)]


def with_service(
    before: Mapping[str, Any] | None,
    name: str,
    module: Mapping[str, Any],
    *,
    registry: str | None = None,
    credential: str | None = None,
    version: int | None = None,
) -> dict[str, Any]:
    """Return *before* with the service in it, in place of the one of that name; its other modules stay.

    *version*: else the next one. *registry* is reached with the device's *credential*. Pure. Raises ManifestInvalid.
    """
    manifest: dict[str, Any] = deepcopy(dict(before or {"schema": "edgetender/v1", "deployment": name}))
    manifest["version"] = version or int(manifest.get("version", 0)) + 1
    manifest["modules"] = {**manifest.get("modules", {}), name: dict(module)}
    manifest.pop("allow_empty", None)
    if registry is not None and credential is not None:
        manifest["registries"] = {**manifest.get("registries", {}), registry: {"credential": credential}}
    manifest_of(manifest)
    return manifest


class Deployments:
    """What was sent to each device from here (`DEVICE.json` below *root*), and the groups (`groups.json` there)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def devices(self, target: str) -> tuple[str, ...]:
        """The devices that `device:NAME`, `group:NAME` or a NAME means. Raises ConfigInvalid, NotFound."""
        kind, colon, name = target.partition(":")
        kind, name = (kind, name) if colon else ("", target)
        groups = self._groups() if kind in {"group", ""} else {}
        if kind == "group" and name not in groups:
            known = ", ".join(sorted(groups)) or "none yet"
            text = f'known are {known}; write {self._groups_file} like {{"{name}": ["DEVICE", …]}}'
            raise NotFound(f"cannot find the group {name!r}: {text}")
        members = tuple(groups.get(name, (name,)))
        if kind not in {"", "device", "group"} or not all(DEVICE.fullmatch(one) for one in members):
            text = f"{target!r} names no device and no group; write it like device:line3-cam7 or group:line3"
            raise ConfigInvalid((Problem("--ct", "target.invalid", text),))
        return members

    def last(self, device: str) -> dict[str, Any] | None:
        """The manifest that was kept last for *device*. Raises Permanent when it is damaged."""
        return self._read(self._root / f"{device}.json")

    def keep(self, device: str, manifest: Mapping[str, Any]) -> None:
        """Remember it, before it is sent: what may have arrived must not be numbered again."""
        durable.make_directory(self._root)
        durable.replace(self._root / f"{device}.json", canonical(manifest), by=writer())

    def images(self) -> dict[str, set[str]]:
        """Which image, by its digest, was given to which devices last. Raises Permanent where a file is damaged."""
        found: dict[str, set[str]] = {}
        for path in sorted(self._root.glob("[!.]*.json")):
            if path != self._groups_file:
                for digest in _DIGEST.findall(json.dumps(self._read(path))):
                    found.setdefault(digest, set()).add(path.stem)
        return found

    @property
    def _groups_file(self) -> Path:
        return self._root / "groups.json"

    def _groups(self) -> dict[str, list[str]]:
        found = self._read(self._groups_file) or {}
        for name, members in found.items():
            if (
                not isinstance(members, list)
                or not members
                or not all(isinstance(one, str) for one in members)
            ):
                text = f"the group {name!r} is no list of devices"
                raise ConfigInvalid((Problem(str(self._groups_file), "group.invalid", text),))
        return found

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Permanent(f"cannot read {path}: {error}; correct it, or remove it") from error
        if not isinstance(found, dict):
            raise Permanent(f"cannot read {path}: it holds no JSON object; correct it, or remove it")
        return found
