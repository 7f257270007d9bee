"""Who may say what runs? A folder of keys, as a deployer has one; manifests signed with it, or with another's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from demo.clean import DEVICE
from edgetender.clock import rfc3339
from edgetender.codec import canonical
from edgetender.fleet.keyring import Keyring, load_key
from edgetender.model.signed import DEFAULT_VALIDITY, DEPLOYMENT_SCHEMA, DEPLOYMENT_TYPE
from edgetender.trust.envelope import sealed

if TYPE_CHECKING:
    from pathlib import Path


class Signer:
    """Keys in *home*: three that say which keys there are, one that signs manifests."""

    def __init__(self, home: Path) -> None:
        self.keyring = Keyring(home)
        self.keyring.begin({"root": 3, "manifest": 1}, {"root": 2, "manifest": 1})

    @property
    def root(self) -> Path:
        return self.keyring.root_file

    @property
    def key(self) -> Path:
        return self.keyring.folder / "manifest-1.key"

    def unchecked(self, manifest: Any) -> bytes:
        """*manifest* signed by an author who skips edgetender's own checks."""
        now = datetime.now(UTC)
        document = {
            "schema": DEPLOYMENT_SCHEMA,
            "epoch": 1,
            "issued_at": rfc3339(now),
            "not_after": rfc3339(now + DEFAULT_VALIDITY),
            "targets": {"devices": [DEVICE]},
            "manifest": manifest,
        }
        return sealed(DEPLOYMENT_TYPE, canonical(document), [load_key(self.key, None)])
