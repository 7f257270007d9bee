"""Who may connect, and what is said to who may not: client certificates, passwords, and trust in the broker."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import trustme

from demo.parts.broker import Broker
from demo.parts.identities import Authority
from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.model.upstream import Message
from edgetender.secret import Secret
from edgetender.transports.mqtt import MqttTransport
from edgetender.transports.settings import MqttSettings
from edgetender.transports.tls import Identity
from tests.services.broker import TestBroker
from tests.services.far_side import Inbox, settled
from tests.services.mqtt_listener import Listener

pytestmark = pytest.mark.broker
DEVICE = "line3-cam7"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(params=["5", "3.1.1"])
def over_tls(request: pytest.FixtureRequest, broker: TestBroker) -> MqttSettings:
    return MqttSettings(
        "127.0.0.1",
        broker.tls_port,
        ca=broker.ca,
        certificate=broker.client_cert,
        key=broker.client_key,
        protocol=request.param,
        reconnect_max_s=0.2,
    )


@contextmanager
def transport(settings: MqttSettings, device: str = DEVICE) -> Iterator[tuple[MqttTransport, Inbox]]:
    inbox, made = Inbox(), MqttTransport(settings, device)
    made.open(inbox.accept, inbox.wake)
    try:
        yield made, inbox
    finally:
        made.close()


def refusal(settings: MqttSettings, device: str = DEVICE) -> str:
    """What the link says of a connection that does not come about."""
    with transport(settings, device) as (refused, _):
        detail = until(lambda: refused.link().detail, "the reason", every_s=0.01)
        assert not refused.link().connected
        assert detail.startswith(f"cannot connect to {settings.endpoint}: ")
        return detail.removeprefix(f"cannot connect to {settings.endpoint}: ")


def identity(
    home: Path, authority: trustme.CA, *, expired: bool = False, host: str = "127.0.0.1"
) -> MqttSettings:
    """Settings that hold nothing but the paths of a new certificate and its key."""
    after = {"not_before": LONG_AGO, "not_after": LONG_AGO + timedelta(days=1)} if expired else {}
    issued = authority.issue_cert(host, common_name=DEVICE, **after)
    issued.cert_chain_pems[0].write_to_path(str(home / "own.pem"))
    issued.private_key_pem.write_to_path(str(home / "own.key"))
    return MqttSettings("127.0.0.1", certificate=home / "own.pem", key=home / "own.key")


def test_a_device_with_a_certificate_of_its_own_is_let_in(over_tls: MqttSettings, broker: TestBroker) -> None:
    with Listener(broker.port, DEVICE) as listener, transport(over_tls) as (device, inbox):
        listener.wait("status", b"online")
        listener.publish("desired", b'{"version":7}')
        inbox.wait(b'{"version":7}')
        device.send(Message("event/applied", b"{}"), timeout_s=60)
        listener.wait("event/applied")
        assert device.link().endpoint == f"mqtts://127.0.0.1:{broker.tls_port}"


def test_a_large_manifest_comes_through_tls(over_tls: MqttSettings, broker: TestBroker) -> None:
    """More than one TLS record: what is decrypted already does not wake a loop that waits for the socket."""
    bodies = [b"%d" % number * 100 * 1024 for number in range(10, 24)]
    with Listener(broker.port, DEVICE) as listener, transport(over_tls) as (_, inbox):
        listener.wait("status", b"online")

        def each_at_once() -> bool:  # a loop that waits for the socket would do so for 5 s, for each
            if len(inbox.taken) == len(asked) < len(bodies):
                asked.append(bodies[len(asked)])
                listener.publish("desired", asked[-1])
            return inbox.taken == bodies

        asked: list[bytes] = []
        until(each_at_once, "all of them", every_s=0.01)


def test_a_device_with_user_and_password_is_let_in(over_tls: MqttSettings, broker: TestBroker) -> None:
    plain = replace(
        over_tls, port=broker.port, tls=False, username=broker.user, password=Secret(broker.password)
    )
    with transport(plain) as (device, _):
        settled(device, connected=True)


def test_a_wrong_password_is_said_and_never_shown(over_tls: MqttSettings, broker: TestBroker) -> None:
    plain = replace(over_tls, port=broker.port, tls=False, username=broker.user, password=Secret("hunter2"))
    said = refusal(plain)
    assert "the broker refused" in said
    assert "not authori" in said.lower()
    assert "user name and password" in said
    assert "hunter2" not in said
    assert "hunter2" not in repr(plain)


def test_a_certificate_of_a_foreign_authority_is_said_to_be_refused(
    over_tls: MqttSettings, broker: TestBroker
) -> None:
    foreign = replace(over_tls, certificate=broker.stranger.certificate, key=broker.stranger.key)
    said = refusal(foreign)
    assert "refuses this client's certificate" in said
    assert "unknown ca" in said


def test_an_expired_certificate_is_said_to_be_expired(
    over_tls: MqttSettings, broker: TestBroker, tmp_path: Path
) -> None:
    own = identity(tmp_path, broker.authority, expired=True)
    said = refusal(replace(over_tls, certificate=own.certificate, key=own.key))
    assert "refuses this client's certificate" in said
    assert "expired" in said


def test_a_certificate_refused_within_the_handshake_is_said_as_well(tmp_path: Path) -> None:
    said = refused_by_a_broker_whose_certificate_is(tmp_path, "127.0.0.1", wants_certificate=True)
    assert said == "it refuses this client's certificate: unknown ca"


def test_a_broker_that_wants_a_certificate_says_so_to_who_has_none(over_tls: MqttSettings) -> None:
    said = refusal(replace(over_tls, certificate=None, key=None))
    assert "certificate required" in said or "handshake failure" in said


def test_a_broker_of_another_authority_is_not_trusted(over_tls: MqttSettings, tmp_path: Path) -> None:
    said = refusal(replace(over_tls, ca=Authority(tmp_path).certificate))
    assert said.startswith("its certificate is not trusted: ")
    assert "is `ca` the right one?" in said


def test_a_broker_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    said = refused_by_a_broker_whose_certificate_is(tmp_path, "broker.example")
    assert said.startswith("its certificate is not trusted: ")
    assert "not valid for '127.0.0.1'" in said


def test_a_broker_whose_certificate_has_expired_is_not_trusted(tmp_path: Path) -> None:
    said = refused_by_a_broker_whose_certificate_is(tmp_path, "127.0.0.1", expired=True)
    assert said == "its certificate is not trusted: certificate has expired; is this device's clock right?"


def refused_by_a_broker_whose_certificate_is(
    home: Path, host: str, *, expired: bool = False, wants_certificate: bool = False
) -> str:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    own = identity(home, authority, expired=expired, host=host)
    assert own.certificate is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    settings = MqttSettings("127.0.0.1", 0, ca=home / "ca.pem")
    if wants_certificate:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED  # and no authority is known
        settings = replace(settings, certificate=own.certificate, key=own.key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_once, args=(server, context), daemon=True).start()
        return refusal(replace(settings, port=server.getsockname()[1]))


def answer_once(server: socket.socket, context: ssl.SSLContext) -> None:
    near, _ = server.accept()
    with near, suppress(OSError):
        context.wrap_socket(near, server_side=True).close()


def test_a_port_without_tls_is_told_from_a_wrong_certificate(
    over_tls: MqttSettings, broker: TestBroker
) -> None:
    said = refusal(replace(over_tls, port=broker.port))
    assert said.startswith("TLS failed")
    assert "does it speak TLS" in said


def test_a_port_with_tls_is_told_to_who_does_not_speak_it(over_tls: MqttSettings) -> None:
    said = refusal(replace(over_tls, tls=False))
    assert "hung up before it answered" in said
    assert "does it want TLS?" in said


def test_a_port_where_nobody_listens_is_said_to_be_closed(over_tls: MqttSettings) -> None:
    assert refusal(replace(over_tls, port=free_port())).startswith("connection refused")


def test_files_that_are_missing_or_do_not_fit_are_named(over_tls: MqttSettings, tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    (tmp_path / "empty.pem").write_text("")
    own = identity(tmp_path, trustme.CA())
    for changed, words in (
        ({"ca": absent}, f"cannot read the CA certificates {absent}: No such file"),
        ({"ca": tmp_path / "empty.pem"}, "cannot read the CA certificates"),
        ({"certificate": absent}, f"cannot read the client certificate's file {absent}: No such file"),
        ({"key": absent}, f"cannot read the client certificate's file {absent}: No such file"),
        ({"key": own.key}, "do key and certificate belong together?"),
    ):
        with transport(replace(over_tls, **changed)) as (device, _):
            link = until(lambda device=device: device.link().detail, "the reason")
            assert words in link


def test_a_renewed_certificate_counts_from_the_next_attempt_on(
    over_tls: MqttSettings, broker: TestBroker, tmp_path: Path
) -> None:
    own = identity(tmp_path, broker.authority, expired=True)
    with transport(replace(over_tls, certificate=own.certificate, key=own.key)) as (device, _):
        until(lambda: device.link().detail, "the reason")
        identity(tmp_path, broker.authority)
        settled(device, connected=True)


def test_a_certificate_that_is_renewed_while_the_link_stands_is_shown_at_once(
    over_tls: MqttSettings, broker: TestBroker, tmp_path: Path
) -> None:
    own = identity(tmp_path, broker.authority)
    renewed = replace(over_tls, certificate=own.certificate, key=own.key, keepalive_s=1)
    with Listener(broker.port, DEVICE) as listener, transport(renewed) as (device, _):
        since = settled(device, connected=True).since
        listener.wait("status", b"online")
        identity(tmp_path, broker.authority, expired=True)  # a wrong one, so that it is seen which is shown
        said = until(lambda: "expired" in device.link().detail, "the new one's refusal")
        assert said
        identity(tmp_path, broker.authority)
        assert settled(device, connected=True).since > since
        assert not [one for one in listener.bodies("status") if b"connection lost" in one]


def test_half_of_a_renewal_ends_no_link(over_tls: MqttSettings, broker: TestBroker, tmp_path: Path) -> None:
    own = identity(tmp_path, broker.authority)
    files = Identity(broker.ca, own.certificate, own.key)
    files.context()
    assert not files.renewed()
    assert own.key is not None
    key = own.key.read_bytes()
    identity(tmp_path, broker.authority)
    new = own.key.read_bytes()
    own.key.write_bytes(key)
    assert not files.renewed()  # the certificate has come, its key has not
    own.key.write_bytes(new)
    assert files.renewed()
    files.context()
    assert not files.renewed()
    own.key.unlink()
    assert not files.renewed()  # and what is gone is no renewal: the link stands


def test_a_topic_that_the_brokers_rules_forbid_is_an_error_where_paho_passes_the_reason_on(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "keys")
    strict = Broker(tmp_path / "broker", authority, tls_port=free_port())
    other = authority.issue("another-device")
    strict.start()
    try:
        settings = MqttSettings(
            "127.0.0.1", strict.tls_port, authority.certificate, other.certificate, other.key, protocol="5"
        )
        with transport(settings, "another-device") as (device, _):
            settled(device, connected=True)
            knows = hasattr(paho, "CallbackAPIVersion")  # 1.6 tells that it was answered, not what
            with (
                pytest.raises(LinkDown, match=r"the broker refused: .*; do its topic rules let")
                if knows
                else nullcontext()
            ):
                device.send(Message("secrets", b"{}"), timeout_s=60)
            assert device.link().connected
            assert ("the broker refused" in device.link().detail) is knows
            device.send(Message("event/applied", b"{}"), timeout_s=60)
            assert device.link().detail == ""
    finally:
        strict.stop()
