"""A local IoT Hub for tests: on a loopback alias and at the one port that the SDK knows, with its own authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.identities import Authority
from demo.parts.process import free_alias
from edgetender.fleet.hub.hub import PORT, LocalHub


class TestHub(LocalHub):
    """Its certificate is signed by *authority*, which also issues client certificates."""

    __test__ = False

    def __init__(self, home: Path, **options: Any) -> None:
        self.authority = Authority(home / "keys")
        address = free_alias(PORT)
        self.pair = self.authority.issue(address, address)
        super().__init__(address, self.pair.certificate, self.pair.key, **options)

    @property
    def ca(self) -> Path:
        return self.authority.certificate


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[TestHub]:
    with TestHub(tmp_path / "hub") as hub:
        yield hub
