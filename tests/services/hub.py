"""A local IoT Hub for tests: on a loopback alias and at the one port that the SDK knows, with its own authority."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.parts.identities import Authority
from edgetender.fleet.hub.hub import PORT, LocalHub


def free_address() -> str:
    """127.x.y.z where nothing listens at the hub's port; tests run side by side."""
    draw = random.Random(os.getpid())
    while True:
        address = f"127.{draw.randint(1, 254)}.{draw.randint(0, 255)}.{draw.randint(1, 254)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, PORT))
            except OSError:
                continue
        return address


class TestHub(LocalHub):
    """Its certificate is signed by *authority*, which also issues client certificates."""

    __test__ = False

    def __init__(self, home: Path, **options: Any) -> None:
        self.authority = Authority(home / "keys")
        address = free_address()
        pair = self.authority.issue(address, address)
        super().__init__(address, pair.certificate, pair.key, **options)

    @property
    def ca(self) -> Path:
        return self.authority.certificate


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[TestHub]:
    with TestHub(tmp_path / "hub") as hub:
        yield hub
