"""A broker that cannot prove who it is hears nothing: no byte of CONNECT, so no name, no user, no password."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from demo.parts.waiting import until
from edgetender.secret import Secret
from edgetender.transports.mqtt import MqttTransport
from edgetender.transports.settings import MqttSettings

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
Chain = tuple[bytes, bytes]


def of_another_authority(_: trustme.CA) -> Chain:
    return _issued(trustme.CA(), "127.0.0.1")


def of_another_name(ours: trustme.CA) -> Chain:
    return _issued(ours, "broker.example")


def that_has_expired(ours: trustme.CA) -> Chain:
    return _issued(ours, "127.0.0.1", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=1))


def that_it_signed_itself(_: trustme.CA) -> Chain:
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "b")]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=9)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), pem


def _issued(authority: trustme.CA, host: str, **more: datetime) -> Chain:
    made = authority.issue_cert(host, **more)
    return made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes()


def that_is_right(ours: trustme.CA) -> Chain:
    return _issued(ours, "127.0.0.1")


class Broker:
    """Shakes hands with whoever comes, and keeps what it is told afterwards."""

    def __init__(self, home: Path, chain: Chain) -> None:
        (home / "broker.pem").write_bytes(b"".join(chain))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(home / "broker.pem")
        self.heard, self.visits = b"", 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                with near, suppress(OSError):
                    near.settimeout(60)
                    with self._context.wrap_socket(near, server_side=True) as wrapped:
                        self.heard += wrapped.recv(4096)
                self.visits += 1


def heard_by(home: Path, certificate: Callable[[trustme.CA], Chain], protocol: str) -> tuple[bytes, str]:
    """What a broker hears in several attempts, and what the link says of it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    broker = Broker(home, certificate(authority))
    settings = MqttSettings(
        "127.0.0.1",
        broker.port,
        ca=home / "ca.pem",
        username="line3",
        password=Secret("canary-5f1e"),
        protocol=protocol,  # type: ignore[arg-type]
        reconnect_max_s=0.05,
    )
    transport = MqttTransport(settings, "line3-cam7")
    transport.open(lambda _: True, lambda: None)
    try:
        until(lambda: broker.visits >= 3, "three attempts", every_s=0.01)
        return broker.heard, transport.link().detail
    finally:
        transport.close()
        broker.server.close()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    "certificate", [of_another_authority, of_another_name, that_has_expired, that_it_signed_itself]
)
def test_a_broker_whose_certificate_is_not_to_be_trusted_hears_not_one_byte(
    tmp_path: Path, certificate: Callable[[trustme.CA], Chain], protocol: str
):
    heard, said = heard_by(tmp_path, certificate, protocol)

    assert heard == b""
    assert "its certificate is not trusted" in said


def test_a_broker_that_proves_who_it_is_hears_connect(tmp_path: Path):
    heard, _ = heard_by(tmp_path, that_is_right, "5")

    assert heard.startswith(b"\x10")
    assert b"MQTT" in heard
