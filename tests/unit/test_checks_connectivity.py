"""Each check of names, certificates and far sides, where all is well and where not: what it says, what repairs it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from edgetender.checks.finding import Severity
from edgetender.config.settings import EventsSettings, RegistrySettings
from edgetender.errors import LinkDown, RegistryDenied
from edgetender.model.image import Credential, ImageFacts, parse_reference
from edgetender.model.target import ImageWanted
from edgetender.model.upstream import Link
from edgetender.model.webhook import answer_of
from edgetender.secret import Secret
from tests.builders.devices import (
    FakeNetwork,
    certificate,
    device,
    down,
    look,
    mqtt,
    says,
    told,
)
from tests.builders.manifests import SCORER
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.registry import FakeImages

OK, WARN, ERROR, SKIPPED = Severity.OK, Severity.WARN, Severity.ERROR, Severity.SKIPPED


def test_names_are_resolved_once_each_and_addresses_not_at_all(tmp_path: Path) -> None:
    network = FakeNetwork()
    facts = {
        "transport": mqtt(),
        "registries": {"hub.example": RegistrySettings(), "192.0.2.7:5000": RegistrySettings(), "[::1]:5000": RegistrySettings()},
        "wanted": (ImageWanted("scorer", SCORER),),
    }  # fmt: skip
    says(look("dns", tmp_path, network=network, **facts), OK, "hub.example, registry.example")
    assert network.asked == ["hub.example", "registry.example"]


def test_a_name_without_an_address_fails_and_is_named(tmp_path: Path) -> None:
    finding = look("dns", tmp_path, transport=mqtt(), network=FakeNetwork(dead={"hub.example"}))
    says(finding, ERROR, "hub.example: Name or service not known", "getent hosts hub.example")


def test_different_proxies_are_a_warning_and_passwords_in_them_stay_secret(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://user:canary-41@proxy.example:3128/"}
    finding = look("proxy", tmp_path, environ=environ)
    says(
        finding,
        WARN,
        "the agent goes out by proxy.example:3128, the engine by no proxy",
        "systemctl edit docker",
    )
    assert "canary" not in str(finding)
    same = told(https_proxy="http://proxy.example:3128")
    says(look("proxy", tmp_path, environ=environ, engine=same), OK)
    says(look("proxy", tmp_path, environ=environ, engine=down()), OK)


def test_a_proxy_that_is_not_there_fails(tmp_path: Path) -> None:
    finding = look(
        "proxy",
        tmp_path,
        environ={"https_proxy": "dead.example:80"},
        network=FakeNetwork(dead={"dead.example"}),
    )
    says(finding, ERROR, "dead.example:80 cannot be reached: Connection refused", "HTTPS_PROXY")
    says(look("proxy", tmp_path, environ={"HTTPS_PROXY": "p:x"}), ERROR, "no number")


def test_a_clock_before_this_release_fails(tmp_path: Path) -> None:
    clock = FakeClock(datetime(1970, 1, 2, tzinfo=UTC))
    says(look("clock", tmp_path, clock=clock), ERROR, "1970-01-02", "timedatectl")


def test_a_clock_behind_what_it_wrote_fails(tmp_path: Path) -> None:
    (device(tmp_path).settings.state_dir / "state.db").touch()
    made = datetime.fromtimestamp((device(tmp_path).settings.state_dir / "state.db").stat().st_mtime, UTC)
    behind = import_module("edgetender.checks.clock").judge(NOON, NOON + timedelta(hours=3), True)
    says(behind, ERROR, "3 h behind")
    says(look("clock", tmp_path, clock=FakeClock(max(NOON, made))), OK)


@pytest.mark.parametrize(("synchronized", "severity"), [(True, OK), (False, WARN), (None, OK)])
def test_a_clock_that_no_server_sets_is_a_warning(tmp_path: Path, synchronized, severity) -> None:
    says(look("clock", tmp_path, synchronized=lambda: synchronized), severity)


@pytest.mark.parametrize(("days", "severity"), [(64, OK), (29, WARN), (-1, ERROR)])
def test_a_certificate_warns_a_month_before_it_expires(tmp_path: Path, days: int, severity: Severity) -> None:
    file = tmp_path / "device.pem"
    file.write_bytes(certificate(NOON + timedelta(days=days, hours=1)))
    finding = look("certificates", tmp_path, transport=mqtt(certificate=file))
    says(finding, severity, str(file), "renew" if severity is not OK else "has 64 d")


def test_of_several_certificates_the_first_to_expire_is_told(tmp_path: Path) -> None:
    file, chain = tmp_path / "device.pem", tmp_path / "ca.pem"
    file.write_bytes(certificate(NOON + timedelta(days=90)))
    chain.write_bytes(
        certificate(NOON + timedelta(days=200)) + certificate(NOON + timedelta(days=3, hours=1))
    )
    registries = {"r.example": RegistrySettings(ca=chain)}
    finding = look("certificates", tmp_path, transport=mqtt(certificate=file), registries=registries)
    says(finding, WARN, "ca.pem, the authority of r.example, expires in 3 d")


@pytest.mark.parametrize("where", ["credentials", "handed/edgetender-scorer-front"])
def test_what_a_front_shows_to_clients_is_looked_at_too(tmp_path: Path, where: str) -> None:
    for folder in ("handed/edgetender-scorer-front", "handed/edgetender-scorer-0123456789ab", where):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    pem = certificate(NOON + timedelta(days=7, hours=1))
    (tmp_path / "handed/edgetender-scorer-front/scoring").write_bytes(pem)
    (tmp_path / "handed/edgetender-scorer-0123456789ab/password").write_text("no certificate")
    (tmp_path / where / "scoring").write_bytes(pem)
    found = look("certificates", tmp_path)
    says(
        found,
        WARN,
        f"{tmp_path / where / 'scoring'}, what clients of a module are shown, expires in 7 d",
        "renew",
    )


@pytest.mark.parametrize(
    "content", [b"nothing", b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n", None]
)
def test_a_certificate_that_cannot_be_read_fails(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "device.pem"
    if content is not None:
        file.write_bytes(content)
    says(look("certificates", tmp_path, transport=mqtt(ca=file)), ERROR, f"{file}, the broker's authority: ")


def der(days: int) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate(NOON + timedelta(days=days, hours=1)).decode())


def test_a_broker_that_is_trusted_says_for_how_long(tmp_path: Path) -> None:
    finding = look("upstream_tls", tmp_path, transport=mqtt(), network=FakeNetwork(der(64)))
    says(finding, OK, "hub.example:8883, TLSv1.3, trusted; its certificate expires in 64 d")
    says(
        look("upstream_tls", tmp_path, transport=mqtt(), network=FakeNetwork(der(13))), WARN, "13 d", "renew"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (TimeoutError(), "no answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "does not resolve"),
        (LinkDown("cannot read the CA certificates /ca.pem: No such file; put it there"), "put it there"),
    ],
)
def test_a_broker_that_cannot_be_reached_or_trusted_fails_with_what_helps(
    tmp_path: Path, error, words
) -> None:
    finding = look("upstream_tls", tmp_path, transport=mqtt(), network=FakeNetwork(error=error))
    says(finding, ERROR, words)


def test_a_broker_without_tls_is_a_warning_unless_it_is_on_this_machine(tmp_path: Path) -> None:
    says(
        look("upstream_tls", tmp_path, transport=mqtt(tls=False)), WARN, "without TLS", "transport.tls = true"
    )
    for host in ("127.0.0.1", "localhost"):
        says(look("upstream_tls", tmp_path, transport=mqtt(tls=False, host=host)), OK, "on this machine")


def test_a_link_that_is_down_fails_with_the_reason(tmp_path: Path) -> None:
    link = Link("mqtts://hub.example:8883", connected=False, detail="not authorized")
    says(look("link", tmp_path, transport=mqtt(), link=link), ERROR, "not authorized", "journalctl")
    says(look("link", tmp_path, transport=mqtt(), link=replace(link, connected=True)), OK, "is connected")
    says(look("link", tmp_path, transport=mqtt()), SKIPPED, "only a running agent knows")


@pytest.mark.parametrize(
    ("status", "severity", "words"),
    [
        (204, OK, "http://hooks.example takes events"),
        (503, WARN, "it answers 503"),
        (301, ERROR, "it answers 301: it is at another address"),
        (403, ERROR, "it answers 403: it wants another login"),
        (404, ERROR, "it answers 404: at this address nothing takes events"),
        (400, WARN, "refused the newest event, which is lost to it: it answers 400"),
    ],
)
def test_a_webhook_is_judged_by_what_it_answered_last(
    tmp_path: Path, status: int, severity: Severity, words: str
) -> None:
    events = EventsSettings("http://hooks.example")
    says(look("webhook", tmp_path, events=events, webhook=answer_of(status)), severity, words)
    says(look("webhook", tmp_path, events=events), SKIPPED, "only a running agent")
    says(look("webhook", tmp_path), SKIPPED, "no webhook is configured")


WANTED = ImageWanted("scorer", SCORER, "line3-registry")
CREDENTIAL = Credential("line3", Secret("canary"), "line3-registry")


def registry(password: str = "canary", *, holds: bool = True, architecture: str = "amd64") -> FakeImages:
    images = FakeImages({"registry.example": {"line3": password}})
    reference = parse_reference(SCORER)
    if holds and reference.digest:
        facts = ImageFacts(reference.digest, reference.digest, architecture, "", "linux", 1, ())
        images.hold(reference, facts)
    return images


def test_images_that_can_be_fetched_are_named(tmp_path: Path) -> None:
    held = FakeCredentials({"line3-registry": CREDENTIAL})
    finding = look("registry_auth", tmp_path, wanted=(WANTED, WANTED), credentials=held, images=registry())
    says(finding, OK, "1 image can be fetched", SCORER)


@pytest.mark.parametrize(
    ("images", "wanted", "held", "words"),
    [
        (registry("other"), WANTED, True, "write the right password into the credential 'line3-registry'"),
        (registry(), WANTED, False, "put it there"),
        (registry(), replace(WANTED, credential=None), True, "name a credential for registry.example"),
        (registry(holds=False), WANTED, True, f"push {SCORER} again"),
        (registry(architecture="arm64"), WANTED, True, "for this device's architecture"),
    ],
    ids=["wrong password", "no credential file", "no credential named", "no image", "other architecture"],
)
def test_an_image_that_cannot_be_fetched_fails_with_what_repairs_it(
    tmp_path: Path, images, wanted, held, words
) -> None:
    credentials = FakeCredentials({"line3-registry": CREDENTIAL} if held else {})
    finding = look("registry_auth", tmp_path, wanted=(wanted,), credentials=credentials, images=images)
    says(finding, ERROR, words)
    assert "canary" not in str(finding)


def test_an_identity_that_is_refused_fails_with_what_its_issuer_lacks(tmp_path: Path) -> None:
    credentials = FakeCredentials({"line3-registry": CREDENTIAL})
    credentials.refusal = RegistryDenied("cannot exchange a token: it answered 403; may it pull (AcrPull)?")
    finding = look("registry_auth", tmp_path, wanted=(WANTED,), credentials=credentials, images=registry())
    says(finding, ERROR, "answered 403", "may it pull (AcrPull)? edgetender check registry-auth")


def test_a_registry_that_does_not_answer_fails_with_a_command_that_asks_it(tmp_path: Path) -> None:
    images = registry()
    images.offline = {"registry.example"}
    wanted = (replace(WANTED, credential=None),)
    says(
        look("registry_auth", tmp_path, wanted=wanted, images=images),
        ERROR,
        "curl -sSI https://registry.example/v2/",
    )
    own = {"registry.example": RegistrySettings(ca=Path("/etc/ca.pem"))}
    says(
        look("registry_auth", tmp_path, wanted=wanted, images=images, registries=own),
        ERROR,
        "curl -sSI --cacert /etc/ca.pem https://registry.example/v2/",
    )
