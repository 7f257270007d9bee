"""Whom does a hub know that somebody started by hand, and what does each of them need to get in?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender.fleet.hub.access import new_key
from edgetender.fleet.hub.authority import HubAuthority, private_file
from edgetender.fleet.hub.hub import LocalHub
from edgetender.fleet.hub.provisioning import Provisioning


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names: of devices and modules with keys, of devices with certificates, of enrolments of either kind.

    *group*: whoever has the group's key may enrol as any name.
    """

    devices: tuple[str, ...] = ()
    by_certificate: tuple[str, ...] = ()
    enrolled: tuple[str, ...] = ()
    enrolled_by_certificate: tuple[str, ...] = ()
    group: bool = False

    @property
    def named(self) -> tuple[str, ...]:
        return self.devices + self.by_certificate + self.enrolled + self.enrolled_by_certificate


def enrol(hub: LocalHub, authority: HubAuthority, wanted: Wanted, folder: Path) -> dict[str, Any]:
    """Make them known to *hub*; what each needs, as JSON. Keys in *folder* are used again.

    Raises OSError, and ValueError for a file that was spoilt.
    """
    said: dict[str, Any] = {"devices": _devices(hub, wanted.devices, folder / "devices.json")}
    pairs = {}
    if wanted.by_certificate or wanted.enrolled_by_certificate:
        hub.trust(authority.certificate.read_text())
    for name in wanted.by_certificate + wanted.enrolled_by_certificate:
        certificate, key = authority.client(name)
        pairs[name] = {"certificate": str(certificate.absolute()), "key": str(key.absolute())}
    for name in wanted.by_certificate:
        hub.register(name, by_authority=True)
    if pairs:
        said["certificates"] = pairs
    if wanted.enrolled or wanted.enrolled_by_certificate or wanted.group:
        said["provisioning"] = _provisioning(hub, wanted, folder / "enrollments.json")
    return said


def _devices(hub: LocalHub, names: tuple[str, ...], file: Path) -> dict[str, str]:
    """Each one's connection string."""
    kept = _kept(file)
    for name in names:
        kept[name] = hub.register(name, keys=tuple(kept[name]) if name in kept else None).keys
    private_file(file, json.dumps(kept, indent=2).encode())
    return {name: hub.connection_string(name) for name in names}


def _provisioning(hub: LocalHub, wanted: Wanted, file: Path) -> dict[str, Any]:
    """Where to ask, and with which keys."""
    kept = _kept(file)
    keys = kept.setdefault("individual", {})
    service = Provisioning(hub, group_key=kept.setdefault("group", new_key()))
    for name in wanted.enrolled:
        keys[name] = service.enroll(name, keys=tuple(keys[name]) if name in keys else None).keys
    for name in wanted.enrolled_by_certificate:
        service.enroll(name, by_certificate=True)
    private_file(file, json.dumps(kept, indent=2).encode())
    hub.provisioning = service
    said: dict[str, Any] = {"host": hub.address, "idScope": service.id_scope}
    said["enrollments"] = {name: keys[name][0] for name in wanted.enrolled}
    return said | ({"groupKey": service.group_key} if wanted.group else {})


def _kept(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found
