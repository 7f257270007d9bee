"""Where do passwords stay that came with a deployment? Beside the state, each in a file of its own."""

from __future__ import annotations

import json
from pathlib import Path

from edgetender import durable
from edgetender.errors import CredentialUnusable
from edgetender.model.image import Credential
from edgetender.trust.credentials import NAME


class ReceivedCredentials:
    """In *directory*, which is made when the first one comes, as CredentialFiles reads them. Threads: any."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, credential: Credential) -> None:
        """On the disk when this returns, instead of what had its name. Raises CredentialUnusable."""
        if not NAME.fullmatch(credential.name):
            return  # no manifest can name it; the deployment is refused for it, with its path
        said = {"username": credential.username, "password": credential.password.reveal()}
        try:
            durable.make_directory(self._directory, 0o700)
            durable.replace(self._directory / credential.name, json.dumps(said).encode(), mode=0o600)
        except OSError as error:
            where = self._directory / credential.name
            raise CredentialUnusable(f"cannot keep the credential {where}: {error.strerror}") from error
