"""A device that gets tokens of registries, for tests; and that it never tells one."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgetender.errors import AgentError
from edgetender.model.image import Credential
from edgetender.registry.distribution import Registry
from edgetender.registry.images import RegistrySettings
from edgetender.registry.issuers import Issuers
from edgetender.registry.short_lived import ShortLived
from edgetender.trust.credentials import CredentialFiles
from tests.fakes.clock import FakeClock
from tests.services.token_server import CANARY, CLIENT, SECRET, TENANT, TokenServer

EXCHANGED = [f"POST /{TENANT}/oauth2/v2.0/token", "POST /oauth2/exchange"]


@contextmanager
def nothing_secret_in(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails where a canary was logged meanwhile, at any level, as text or beside it."""
    caplog.set_level(logging.DEBUG)
    yield
    assert CANARY not in caplog.text
    assert CANARY not in "".join(repr(vars(record)) for record in caplog.records)


class Device:
    """A device with one credential, `reg`, and what it gets by it."""

    def __init__(self, home: Path, *servers: TokenServer, **around: Any) -> None:
        self.home, self.clock = home / "credentials", FakeClock()
        self.home.mkdir()
        settings = {one.host: RegistrySettings(one.ca) for one in servers}
        files = CredentialFiles(self.home, systemd_directory=None)
        self._credentials = ShortLived(files, Issuers(settings, **({"environ": {}} | around)), self.clock)

    def has(self, **said: str) -> None:
        path = self.home / "reg"
        path.write_text(json.dumps(said))
        path.chmod(0o600)

    def get(self, registry: str) -> Credential:
        return self._credentials.get("reg", registry)

    def refused(self, registry: str) -> AgentError:
        """The error, after looking that nothing of it or behind it is secret."""
        with pytest.raises(AgentError) as caught:
            self.get(registry)
        error: BaseException | None = caught.value
        assert CANARY not in "".join(traceback.format_exception(caught.value))
        while error is not None:
            assert CANARY not in repr(vars(error)) + repr(error.args)
            error = error.__cause__ or error.__context__
        return caught.value


def principal(azure: TokenServer, **other: str) -> dict[str, str]:
    said = {"kind": "acr", "tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    return said | {"authority": azure.url, "registry": azure.host} | other


def signs_in(credential: Credential, azure: TokenServer) -> None:
    with Registry(azure.host, credential=credential, ca_file=azure.ca) as registry:
        registry.sign_in()


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """In whatever happens here nothing secret is logged, at DEBUG, by anybody."""
    with nothing_secret_in(caplog):
        yield caplog


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[TokenServer]:
    with TokenServer(tmp_path / "keys") as server:
        yield server


@pytest.fixture
def device(tmp_path: Path, azure: TokenServer) -> Device:
    return Device(tmp_path, azure)
