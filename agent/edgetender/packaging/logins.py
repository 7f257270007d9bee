"""Who are we to which registry? Logins in a file that only its owner can read; one registry is the workspace's."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgetender import durable
from edgetender.errors import CredentialUnusable, NotFound
from edgetender.model.image import Credential
from edgetender.packaging.docker_logins import docker_login
from edgetender.packaging.writer import writer
from edgetender.registry.distribution import Registry
from edgetender.secret import Secret


@dataclass(frozen=True, slots=True)
class Login:
    """How one registry is reached, and as whom; without a name it is public, or Docker knows who we are.

    *traces*: the file that remembers what was sent there; None: nothing does. *docker*: the folder with Docker's
    configuration; None: it is not asked.
    """

    address: str
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    plain_http: bool = False
    traces: Path | None = None
    docker: Path | None = None

    def credential(self) -> Credential | None:
        """As whom: the name kept, else whoever Docker logs in as, which may mean to ask a program."""
        if self.username is not None:
            return Credential(self.username, self.password or Secret(""))
        return docker_login(self.address, self.docker) if self.docker is not None else None

    def open(self) -> Registry:
        """A connection; close it by `with`."""
        credential = self.credential()
        return Registry(self.address, credential=credential, ca_file=self.ca_file, plain_http=self.plain_http)


class Logins:
    """The file *path*, made on the first `keep`. Raises CredentialUnusable when others can read it.

    *docker*: the folder with the logins of Docker, which count where none was kept; they are only read.
    """

    def __init__(self, path: Path, docker: Path | None = None) -> None:
        self._path, self.docker = path, docker

    def get(self, address: str) -> Login:
        """Return the login kept for this registry; a public one where none was."""
        kept = self._read()["registries"].get(address)
        traces = self._path.with_name("registries") / f"{quote(address, safe='')}.json"
        if kept is None:
            return Login(address, traces=traces, docker=self.docker)
        password, ca_file = kept.get("password"), kept.get("caFile")
        return Login(
            address,
            kept.get("username"),
            Secret(password) if password is not None else None,
            Path(ca_file) if ca_file else None,
            bool(kept.get("plainHttp")),
            traces,
            self.docker,
        )

    def default(self) -> Login:
        """The workspace's own registry. Raises NotFound before there is one."""
        address = self._read()["default"]
        if address is None:
            text = "cannot show the workspace's registry: there is none yet"
            raise NotFound(f"{text}; the first comes with: edgetender registry login --name HOST")
        return self.get(address)

    def all(self) -> tuple[Login, ...]:
        return tuple(self.get(address) for address in sorted(self._read()["registries"]))

    def keep(self, login: Login, *, default: bool = False) -> None:
        """Remember *login*; the first one becomes the workspace's, a later one where *default* asks for it."""
        content = self._read()
        content["registries"][login.address] = {
            "username": login.username,
            "password": login.password.reveal() if login.password is not None else None,
            "caFile": str(login.ca_file) if login.ca_file else None,
            "plainHttp": login.plain_http,
        }
        if default or content["default"] is None:
            content["default"] = login.address
        durable.make_directory(self._path.parent)
        durable.replace(self._path, json.dumps(content, indent=2).encode(), mode=0o600, by=writer())

    def _read(self) -> dict[str, Any]:
        try:
            with self._path.open(encoding="utf-8") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    text = "others can read it; chmod 600 it"
                    raise CredentialUnusable(f"cannot use the logins in {self._path}: {text}")
                found: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            return {"default": None, "registries": {}}
        except ValueError as error:
            text = f"it is damaged: {error}; remove it and log in again"
            raise CredentialUnusable(f"cannot use the logins in {self._path}: {text}") from error
        return found
