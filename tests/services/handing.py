"""A device's credentials, and memory in which secrets are handed over."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgetender.trust.credentials import CredentialFiles
from edgetender.trust.handed import SecretFolders


@dataclass
class Site:
    """A device's credentials, and the memory in which they are handed over."""

    credentials: Path
    memory: Path

    @property
    def folders(self) -> SecretFolders:
        return CredentialFiles(self.credentials, systemd_directory=None).folders(self.memory)

    def know(self, name: str, text: str) -> None:
        path = self.credentials / name
        path.touch(mode=0o600)
        path.write_text(text)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "credentials").mkdir(mode=0o700)
    memory = Path(tempfile.mkdtemp(prefix="edgetender-", dir="/dev/shm"))  # memory is what is meant
    yield Site(tmp_path / "credentials", memory / "secrets")
    shutil.rmtree(memory)
