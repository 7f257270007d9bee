"""A manifest that is an OCI artifact, from a real docker-registry: what its digest names, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.parts.registry import Registry as RunningRegistry
from edgetender.codec import MAX_BYTES
from edgetender.errors import ImageMissing, RegistryDenied
from edgetender.model.image import Credential, parse_reference
from edgetender.registry.artifacts import fetch
from edgetender.registry.distribution import Registry
from edgetender.registry.images import RegistrySettings
from edgetender.secret import Secret
from tests.builders.layouts import write_layout

pytestmark = pytest.mark.registry
BODY = b'{"schema": "edgetender/v1"}'


class Shelf:
    def __init__(self, registry: RunningRegistry, home: Path) -> None:
        self._registry, self._home, self._count = registry, home, 0
        ((user, password),) = registry.users.items()
        self.login = Credential(user, Secret(password))
        self.settings = {registry.host: RegistrySettings(registry.ca)}

    def put(self, *platforms: str, body: bytes) -> Any:
        """The reference of an artifact of these bytes, one file for each platform."""
        self._count += 1
        layout = self._home / str(self._count)
        write_layout(layout, *platforms, layer=body)
        with Registry(self._registry.host, credential=self.login, ca_file=self._registry.ca) as registry:
            digest = registry.push("fleet/line3", f"v{self._count}", layout)
        return parse_reference(f"{self._registry.host}/fleet/line3@{digest}")

    def get(self, reference: Any, credential: Credential | None = None) -> bytes:
        return fetch(reference, credential or self.login, self.settings)


@pytest.fixture
def shelf(registry: RunningRegistry, tmp_path: Path) -> Shelf:
    return Shelf(registry, tmp_path)


def test_the_artifact_s_file_is_fetched_with_the_credential_of_its_name(shelf: Shelf) -> None:
    reference = shelf.put("amd64", body=BODY)
    assert shelf.get(reference) == BODY
    with pytest.raises(RegistryDenied):
        shelf.get(reference, Credential("line3", Secret("hunter2")))


def test_what_is_not_there_or_no_single_file_or_too_large_is_said(shelf: Shelf) -> None:
    one = shelf.put("amd64", body=BODY)
    for reference, why in (
        (one.pinned(f"sha256:{'0' * 64}"), "sha256:0000"),
        (shelf.put("amd64", "arm64", body=BODY), "one file"),
        (shelf.put("amd64", body=b"x" * (MAX_BYTES + 1)), f"at most {MAX_BYTES}"),
    ):
        with pytest.raises(ImageMissing, match=why):
            shelf.get(reference)
