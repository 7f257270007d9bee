"""Who decides what runs on this device?"""

from __future__ import annotations

from edgetender.checks.device import Device
from edgetender.checks.finding import Check, Finding, fail, ok, warn
from edgetender.errors import ConfigInvalid, CredentialUnusable, TrustRefused
from edgetender.model.examined import Identity
from edgetender.trust.device import DeviceTrust
from edgetender.trust.policy import read_policy

_INSTALL = "edgetender init --root root.json"


def run(device: Device) -> Finding:
    settings = device.settings.trust
    required = settings.mode == "signed"
    try:
        read_policy(settings.policy)
    except (ConfigInvalid, CredentialUnusable) as error:
        return fail(f"no manifest is taken: {error}", f"edit {settings.policy}")
    try:
        kept = device.settings.state_dir / "trust"
        trust = DeviceTrust(settings.directory, Identity(), required=required, state=kept)
        root = trust.root()
    except (CredentialUnusable, TrustRefused) as error:
        return fail(str(error), f"edgetender trust show --root {settings.directory / 'root.json'}")
    if root is not None and (notes := trust.notes()):
        return fail(notes[0], "edgetender trust reset --floor VERSION")
    if root is not None:
        count = len(root.roles.manifest.keys)
        keys = "1 key" if count == 1 else f"{root.roles.manifest.threshold} of {count} keys"
        return ok(f"trust root version {root.version}: what {keys} signed, and nothing else")
    if required:
        return fail("no trust root is installed, and trust.mode is signed: no manifest is taken", _INSTALL)
    return warn("whoever reaches it: no trust root is installed", _INSTALL)


CHECK = Check(
    "trust-root",
    "only signed manifests run",
    "configuration",
    "A broker, a folder or a socket that somebody took over would decide what runs here.",
    run,
    needs=("config-parse",),
)
