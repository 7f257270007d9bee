"""A real mosquitto for tests: one per test module, plain and TLS listeners on free ports, restartable."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import trustme

from demo.parts.broker import Broker
from demo.parts.identities import Authority, Keypair
from demo.parts.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class TestBroker:
    """Anonymous clients and `user`/`password` on *port*; certificates signed by *ca* on *tls_port*."""

    __test__ = False

    def __init__(self, home: Path) -> None:
        authority = Authority(home / "keys")
        self._broker = Broker(home / "mosquitto", authority, tls_port=free_port(), plain_port=free_port())
        self.host = "127.0.0.1"
        self.tls_port = self._broker.tls_port
        self.user, self.password = self._broker.user, self._broker.password
        self.ca = authority.certificate
        self._authority = authority
        client = self.issue("line3-cam7")
        self.client_cert, self.client_key = client.certificate, client.key
        self.stranger = Authority(home / "stranger").issue("line3-cam7")

    @property
    def port(self) -> int:
        assert self._broker.plain_port is not None
        return self._broker.plain_port

    @property
    def authority(self) -> trustme.CA:
        """Who signed the broker's certificate and its clients', for certificates of other kinds."""
        return self._authority.signer

    def issue(self, name: str) -> Keypair:
        """A client certificate whose common name, and so the broker's user name, is *name*."""
        return self._authority.issue(name)

    def start(self) -> None:
        self._broker.start()

    def stop(self) -> None:
        """SIGTERM; retained messages and sessions are kept for the next start."""
        self._broker.stop()

    def kill(self) -> None:
        """SIGKILL: connections end without a word."""
        self._broker.kill()

    @property
    def log(self) -> str:
        return self._broker.part.tail(200)


@pytest.fixture(scope="module")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestBroker]:
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    broker = TestBroker(tmp_path_factory.mktemp("broker"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(shared_broker: TestBroker) -> TestBroker:
    """Runs at the start of every test, even if the one before stopped or killed it."""
    if not shared_broker._broker.part.runs:
        shared_broker.start()
    return shared_broker
