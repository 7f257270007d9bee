"""TLS on a module's port: the front shows a certificate of the device, and a renewed one without losing a request."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from demo.parts.load import Load
from demo.parts.waiting import until
from edgetender.engine.front.docker_fronts import DockerFronts
from edgetender.errors import CredentialUnusable, EngineRefused
from edgetender.model.front import Member
from tests.services.front_stand import BODY, Stand, site, stand, state

__all__ = ["site", "stand"]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

FRONT = "edgetender-web-front"


@dataclass
class Tls:
    """A front that shows the credential `scoring`, and clients that trust its authority."""

    stand: Stand
    authority: trustme.CA

    def know(self, pem: bytes | None = None) -> None:
        self.stand.site.know("scoring", (pem or self.issued()).decode())

    def issued(self) -> bytes:
        return self.authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()

    @property
    def clients(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.stand.spec.ports[0].host

    def shown(self) -> str:
        """The certificate that who connects now is shown, by its sha256; it has been verified."""
        with (
            socket.create_connection(self.address, timeout=60) as wire,
            self.clients.wrap_socket(wire, server_hostname="127.0.0.1") as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()

    def answers(self) -> bool:
        try:
            return bool(self.shown())
        except OSError:
            return False

    def up(self, kind: str = "graceful") -> Member:
        member = self.stand.member(1, kind)
        self.stand.front.ensure(self.stand.spec, member)
        until(self.answers, "the front")
        return member

    def load(self) -> Load:
        return Load(self.address[1], body=BODY, per_s=200, tls=self.clients)


@pytest.fixture
def tls(stand: Stand) -> Iterator[Tls]:
    (port,) = stand.spec.ports
    stand.spec = replace(stand.spec, ports=(replace(port, certificate="scoring"),))
    return Tls(stand, trustme.CA())


def leaf(pem: bytes) -> str:
    first = pem.decode().partition("-----BEGIN CERTIFICATE-----")
    text = f"{first[1]}{first[2].partition('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


def test_a_client_verifies_the_front_and_no_plain_or_outdated_one_is_answered(tls: Tls) -> None:
    tls.know()
    tls.up()
    context = tls.clients
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(tls.address) as wire,
        context.wrap_socket(wire, server_hostname="127.0.0.1") as spoken,
    ):
        assert (spoken.version(), spoken.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    with socket.create_connection(tls.address, timeout=60) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
        assert b"HTTP" not in plain.recv(100)
    old = tls.clients
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection(tls.address) as wire, pytest.raises((ssl.SSLError, ConnectionError)):
        old.wrap_socket(wire, server_hostname="127.0.0.1")
    with tls.load() as load:
        load.go_on(50)
    assert not load.failures, str(load)


def test_a_renewed_certificate_is_shown_to_new_clients_and_no_request_is_lost(tls: Tls) -> None:
    tls.know()
    member = tls.up("rude")
    started = tls.stand.client.containers.get(FRONT).attrs["State"]["StartedAt"]
    with tls.load() as load:
        for _ in range(5):
            load.go_on(100)
            assert not state(tls.stand).stale
            tls.know(pem := tls.issued())
            assert state(tls.stand).stale
            tls.stand.front.ensure(tls.stand.spec, member)
            assert not state(tls.stand).stale
            assert tls.shown() == leaf(pem)
        load.go_on(100)
    assert not load.failures, str(load)
    assert load.asked >= 600
    assert tls.stand.client.containers.get(FRONT).attrs["State"]["StartedAt"] == started


def test_a_front_that_starts_without_the_agent_shows_the_newest(tls: Tls) -> None:
    tls.know()
    member = tls.up()
    tls.know(pem := tls.issued())
    tls.stand.front.ensure(tls.stand.spec, member)
    tls.stand.client.containers.get(FRONT).restart(timeout=1)
    until(tls.answers, "the front")
    assert tls.shown() == leaf(pem)


def test_after_a_power_cut_the_certificate_is_in_memory_again_before_the_front_starts(tls: Tls) -> None:
    tls.know()
    member = tls.up()
    tls.stand.client.containers.get(FRONT).stop()
    shutil.rmtree(tls.stand.site.memory)
    assert not state(tls.stand).running
    tls.stand.front.ensure(tls.stand.spec, member)
    until(tls.answers, "the front")
    assert not state(tls.stand).stale


def encrypted(pem: bytes) -> bytes:
    key, begin, chain = pem.partition(b"-----BEGIN CERTIFICATE-----")
    secret = BestAvailableEncryption(b"a password")
    return (
        load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
        + begin
        + chain
    )


def of_another(pem: bytes) -> bytes:
    key = trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes()
    return key + pem[pem.index(b"-----BEGIN CERTIFICATE-----") :]


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (of_another, "its key is not that of its first certificate"),
        (encrypted, "its key is encrypted"),
        (lambda pem: pem[pem.index(b"-----BEGIN CERTIFICATE-----") :], "it holds no key"),
        (lambda pem: pem[: pem.index(b"-----BEGIN CERTIFICATE-----")], "it holds no certificate"),
        (lambda pem: pem.replace(b"MII", b"MIJ"), "it cannot be read"),
        (lambda pem: pem + 40 * pem[pem.index(b"-----BEGIN CERTIFICATE-----") :], "it is longer"),
        (None, "is missing"),
    ],
    ids=["another's key", "an encrypted key", "no key", "no certificate", "damaged", "too long", "missing"],
)
def test_what_cannot_be_shown_is_refused_and_the_one_before_goes_on(tls: Tls, spoilt, why: str) -> None:
    if spoilt is not None:
        tls.know(spoilt(tls.issued()))
    member = tls.stand.member(1, "graceful")
    with pytest.raises(CredentialUnusable, match=f"'scoring'.*{why}"):
        tls.stand.front.ensure(tls.stand.spec, member)
    assert tls.stand.front.observe() == ()
    assert not tls.answers()

    tls.know(good := tls.issued())
    tls.stand.front.ensure(tls.stand.spec, member)
    until(tls.answers, "the front")
    if spoilt is None:
        (tls.stand.site.credentials / "scoring").unlink()
    else:
        tls.know(spoilt(tls.issued()))
    assert state(tls.stand).stale
    with pytest.raises(CredentialUnusable, match=why):
        tls.stand.front.ensure(tls.stand.spec, member)
    assert tls.shown() == leaf(good)


def test_a_front_that_shows_nothing_is_never_stale(stand: Stand) -> None:
    member = stand.member(1, "graceful")
    stand.front.ensure(stand.spec, member)
    until(lambda: state(stand).target == member, "the front")
    assert not state(stand).stale


def test_without_a_place_for_keys_no_front_is_made(
    tls: Tls, engine_socket: str, front_archive: Path, tmp_path: Path
) -> None:
    unable = DockerFronts(engine_socket, "ours", home=tmp_path / "other", archive=front_archive)
    with pytest.raises(EngineRefused, match="no place for keys"):
        unable.ensure(tls.stand.spec, None)
    unable.close()


def test_the_key_is_in_memory_and_in_nothing_that_is_kept_or_told(tls: Tls, tmp_path: Path) -> None:
    tls.know(pem := tls.issued())
    member = tls.up()
    tls.know(renewed := tls.issued())
    tls.stand.front.ensure(tls.stand.spec, member)
    lines = {
        one
        for key in (pem, renewed)
        for one in key.partition(b"-----BEGIN CERTIFICATE-----")[0].splitlines()[1:-1]
    }
    front = tls.stand.client.containers.get(FRONT)
    told = json.dumps(front.attrs).encode() + front.logs()
    kept = subprocess.run(["tar", "-c", tmp_path / "fronts"], check=True, capture_output=True).stdout
    assert not [line for line in lines if line in told or line in kept]
    (place,) = tls.stand.site.memory.iterdir()
    assert [one.name for one in place.iterdir()] == ["scoring"]
    tls.stand.front.lower("web")
    assert list(tls.stand.site.memory.iterdir()) == []
