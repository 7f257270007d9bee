"""The network and the disks that checks ask, on real sockets and files: a broker's TLS, its lack, and its strangers."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from edgetender.checks.certificate import valid_until
from edgetender.checks.real import FileSystems, Sockets, synchronized
from edgetender.checks.upstream_tls import CHECK
from tests.builders.devices import device, mqtt

END = datetime(2031, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A far side on loopback that shakes hands, if it can, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(60)
                        try:
                            if context is not None:
                                context.wrap_socket(connection, server_side=True).close()
                        except OSError:
                            continue
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)


@pytest.fixture
def broker(authority: trustme.CA) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=END).configure_cert(context)
    with listening(context) as port:
        yield port


def test_a_handshake_shows_the_certificate_and_until_when_it_is_good(broker: int, ca: Path) -> None:
    contact = Sockets().handshake("127.0.0.1", broker, ca, None, None)
    assert contact.protocol == "TLSv1.3"
    assert valid_until(contact.certificate) == END


def test_a_broker_of_another_authority_is_a_failure_that_names_ca(broker: int, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    transport = mqtt(host="127.0.0.1", port=broker, ca=tmp_path / "other.pem")
    finding = CHECK.run(device(tmp_path, transport=transport, network=Sockets()))
    assert (finding.severity, "not trusted" in finding.said, "`ca`" in finding.repair) == (
        "error",
        True,
        True,
    )


def test_a_port_that_speaks_no_tls_is_a_failure_that_says_so(ca: Path, tmp_path: Path) -> None:
    with listening(None) as port:
        transport = mqtt(host="127.0.0.1", port=port, ca=ca)
        finding = CHECK.run(device(tmp_path, transport=transport, network=Sockets()))
    assert finding.severity == "error"
    assert "does it speak TLS on this port?" in finding.repair


def test_a_port_where_nobody_listens_is_refused_and_one_with_somebody_is_reached(broker: int) -> None:
    Sockets().reach("127.0.0.1", broker)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            Sockets().reach("127.0.0.1", nobody.getsockname()[1])


def test_localhost_resolves_and_an_impossible_name_does_not() -> None:
    assert set(Sockets().resolve("localhost")) & {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r".+"):
        Sockets().resolve("a..b")


def test_disks_are_measured(tmp_path: Path) -> None:
    free, total = FileSystems().space(tmp_path)
    assert 0 < free <= total
    free, total = FileSystems().inodes(tmp_path)
    assert 0 <= free <= total


def test_the_kernel_is_asked_whether_its_clock_is_set_and_a_time_servers_word_counts(tmp_path: Path) -> None:
    assert synchronized(tmp_path) in {True, False, None}
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    assert synchronized(tmp_path) is True
