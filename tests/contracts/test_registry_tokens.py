"""How one gets in at a registry without a password on the device: each way, and that nothing of it is ever printed."""

from __future__ import annotations

import io
import json
import logging
import tarfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import AgentError, CredentialUnusable, RegistryDenied, RegistryUnreachable
from edgetender.model.access import ACR_USER
from edgetender.model.hardware import native_architecture
from edgetender.model.image import TOKEN_USER, Credential, parse_reference
from edgetender.registry.auth import Authorizations
from edgetender.registry.distribution import Registry
from edgetender.registry.images import RegistryImages, RegistrySettings
from edgetender.registry.issuers import Issuers
from edgetender.registry.short_lived import ShortLived
from edgetender.secret import Secret
from edgetender.trust.credentials import CredentialFiles
from tests.builders.layouts import write_layout
from tests.fakes.clock import FakeClock
from tests.services.token_server import ARC_KEY, CANARY, CLIENT, SECRET, TENANT, TokenServer

EXCHANGED = [f"POST /{TENANT}/oauth2/v2.0/token", "POST /oauth2/exchange"]


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """In whatever happens here nothing secret is logged, at DEBUG, by anybody."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert CANARY not in caplog.text
    assert CANARY not in "".join(repr(vars(record)) for record in caplog.records)


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[TokenServer]:
    with TokenServer(tmp_path / "keys") as server:
        yield server


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


@pytest.fixture
def device(tmp_path: Path, azure: TokenServer) -> Device:
    return Device(tmp_path, azure)


def principal(azure: TokenServer, **other: str) -> dict[str, str]:
    said = {"kind": "acr", "tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    return said | {"authority": azure.url, "registry": azure.host} | other


def signs_in(credential: Credential, azure: TokenServer) -> None:
    with Registry(azure.host, credential=credential, ca_file=azure.ca) as registry:
        registry.sign_in()


# --- Azure Container Registry


def test_a_service_principal_gets_in_at_an_azure_registry(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    credential = device.get(azure.host)
    assert credential.username == ACR_USER
    assert azure.paths() == EXCHANGED
    assert azure.asked[1].said["tenant"] == TENANT
    signs_in(credential, azure)
    assert azure.paths()[2:] == ["GET /v2/", "GET /oauth2/token", "GET /v2/"]


def test_a_managed_identity_asks_the_metadata_service_and_no_proxy(
    tmp_path: Path, azure: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with TokenServer() as imds:
        device = Device(tmp_path, azure, imds=imds.url)
        device.has(kind="acr", identity="managed", registry=azure.host)
        signs_in(device.get(azure.host), azure)
        assert imds.asked[0].said["api-version"] == "2018-02-01"
        device.has(kind="acr", identity="managed", registry=azure.host, client_id="another")
        error = device.refused(azure.host)
    assert isinstance(error, RegistryDenied)
    assert f"{imds.host}: it answered 400 (invalid_request)" in str(error)


def arc(tmp_path: Path, azure: TokenServer, key: Path, do: Callable[[Device, TokenServer], None]) -> None:
    with TokenServer(arc_key=key) as agent:
        about = {
            "IDENTITY_ENDPOINT": f"{agent.url}/metadata/identity/oauth2/token",
            "IMDS_ENDPOINT": agent.url,
        }
        device = Device(tmp_path, azure, environ=about, keys=tmp_path / "tokens", imds="http://127.0.0.1:9")
        device.has(kind="acr", identity="managed", registry=azure.host)
        do(device, agent)


def test_the_agent_of_azure_arc_is_shown_what_only_the_privileged_can_read(
    tmp_path: Path, azure: TokenServer
) -> None:
    key = tmp_path / "tokens" / "1.key"
    key.parent.mkdir()
    key.write_text(ARC_KEY)

    def do(device: Device, agent: TokenServer) -> None:
        signs_in(device.get(azure.host), azure)
        assert [one.said["api-version"] for one in agent.asked] == ["2019-11-01"] * 2

    arc(tmp_path, azure, key, do)


def test_no_other_file_is_read_because_somebody_says_so(tmp_path: Path, azure: TokenServer) -> None:
    secret = tmp_path / "secret.key"
    secret.write_text(ARC_KEY)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "link.key").symlink_to(secret)

    def do(device: Device, agent: TokenServer) -> None:
        assert "names a key that is not in" in str(device.refused(azure.host))
        agent.arc_key = tmp_path / "tokens" / ".." / "secret.key"
        assert "names a key that is not in" in str(device.refused(azure.host))
        agent.arc_key = tmp_path / "tokens" / "link.key"
        assert isinstance(device.refused(azure.host), CredentialUnusable)
        assert not [one for one in agent.asked if "Authorization" in one.headers]

    arc(tmp_path, azure, secret, do)


def test_a_token_goes_to_registries_of_azure_and_to_the_one_that_its_owner_names(
    device: Device, azure: TokenServer
) -> None:
    device.has(**principal(azure))
    assert '"registry": "evil.example"' in str(device.refused("evil.example"))
    said = principal(azure)
    del said["registry"]
    device.has(**said)
    for host in (azure.host, "azurecr.io", "x.azurecr.io.evil.example", "evil.example/x.azurecr.io"):
        assert isinstance(device.refused(host), CredentialUnusable)
    assert azure.asked == []


@pytest.mark.engine
@pytest.mark.parametrize("as_identity", [False, True], ids=["as the device", "by an identity token"])
def test_the_agent_and_the_engine_both_get_in_with_it(
    device: Device, azure: TokenServer, engine_socket: str, tmp_path: Path, as_identity: bool
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("hello"))
    azure.layout = tmp_path / "layout"
    (facts,) = write_layout(azure.layout, native_architecture(), layer=packed.getvalue())
    reference = parse_reference(f"{azure.host}/team/{tmp_path.name.replace('_', '-')}@{facts.digest}")
    device.has(**principal(azure))
    credential = device.get(azure.host)
    if as_identity:
        credential = Credential(TOKEN_USER, credential.password, "reg")
    images = RegistryImages({azure.host: RegistrySettings(azure.ca)})
    found = images.resolve(reference, credential=credential, architecture=native_architecture())
    assert found.digest == facts.digest
    engine = DockerEngine(engine_socket, "tokens")
    try:
        engine.pull(reference, credential, lambda _: True)
        assert str(reference) in engine.images()
        engine.remove_image(str(reference))
    finally:
        engine.close()
    posts = [
        one.said["grant_type"] for one in azure.asked if one.path == "/oauth2/token" and one.method == "POST"
    ]
    assert bool(posts) is as_identity


# --- others


def test_a_token_of_an_oauth2_server_is_the_password(device: Device, azure: TokenServer) -> None:
    said = {"kind": "oauth2", "token_url": f"{azure.url}/oauth/token", "client_id": CLIENT}
    device.has(**said, client_secret=SECRET, scope="pull")
    credential = device.get("registry.example")
    assert (credential.username, credential.password.reveal()) == ("oauth2accesstoken", "canary-entra-1")
    assert azure.asked[0].said["scope"] == "pull"
    device.has(**said, client_secret=SECRET, username="$oauthtoken")
    assert device.get("registry.example").username == "$oauthtoken"
    assert "scope" not in azure.asked[1].said


def test_an_identity_token_of_a_helper_opens_as_docker_would(azure: TokenServer) -> None:
    signs_in(Credential(TOKEN_USER, Secret("canary-identity"), "reg"), azure)
    assert azure.paths() == ["GET /v2/", "POST /oauth2/token", "GET /v2/"]
    assert azure.asked[1].said["grant_type"] == "refresh_token"
    assert not any("canary-identity" in str(one.headers) for one in azure.asked)


def test_an_identity_token_is_no_password() -> None:
    credential = Credential(TOKEN_USER, Secret("canary-identity"), "reg")
    assert Authorizations(credential, lambda *_: {}, lambda: 0.0).answer('Basic realm="x"', "") is None


# --- what goes wrong


def test_a_refused_identity_is_denied_with_the_code_and_not_with_the_words(
    device: Device, azure: TokenServer
) -> None:
    device.has(**principal(azure, client_secret="canary-old"))
    error = device.refused(azure.host)
    assert isinstance(error, RegistryDenied)
    assert "answered 401 (invalid_client, AADSTS7000215); is what the credential 'reg' says right" in str(
        error
    )


def test_a_registry_that_does_not_let_the_identity_in_says_so(device: Device, azure: TokenServer) -> None:
    azure.refusals["/oauth2/exchange"] = (403, {"errors": [{"code": "DENIED", "message": SECRET}]})
    device.has(**principal(azure))
    error = device.refused(azure.host)
    assert isinstance(error, RegistryDenied)
    assert "answered 403 (DENIED); may the identity of the credential 'reg' pull there (AcrPull)?" in str(
        error
    )


def test_a_token_that_the_registry_does_not_take_is_not_asked_for_somewhere_else(
    device: Device, azure: TokenServer
) -> None:
    azure.refusals[f"/{TENANT}/oauth2/v2.0/token"] = (200, {"access_token": "canary-of-another-cloud"})
    device.has(**principal(azure))
    assert "answered 401 (UNAUTHORIZED); may the identity" in str(device.refused(azure.host))
    assert azure.paths() == EXCHANGED


def test_a_registry_that_exchanges_nothing_is_none_of_azures(device: Device, azure: TokenServer) -> None:
    azure.refusals["/oauth2/exchange"] = (404, b"404 page not found")
    device.has(**principal(azure))
    assert isinstance(device.refused(azure.host), RegistryDenied)


def test_a_metadata_service_that_is_not_ready_is_asked_again(tmp_path: Path, azure: TokenServer) -> None:
    with TokenServer() as imds:
        imds.refusals["/metadata/identity/oauth2/token"] = (410, {})
        device = Device(tmp_path, azure, imds=imds.url)
        device.has(kind="acr", identity="managed", registry=azure.host)
        assert isinstance(device.refused(azure.host), RegistryUnreachable)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((503, b"<html>canary</html>"), "answered 503; it is asked again later"),
        ((429, {"error": "temporarily_unavailable"}), "answered 429 (temporarily_unavailable)"),
        ((200, b"canary, no JSON"), "holds no access_token"),
        ((200, {"access_token": "canary\nX-Header: 1"}), "holds no access_token"),
        ((200, ["canary"]), "holds no access_token"),
        ((302, {}), "answered 302"),
    ],
)
def test_what_is_no_answer_is_asked_again(
    device: Device, azure: TokenServer, answer: tuple[int, Any], says: str
) -> None:
    azure.refusals[f"/{TENANT}/oauth2/v2.0/token"] = answer
    device.has(**principal(azure))
    error = device.refused(azure.host)
    assert isinstance(error, RegistryUnreachable)
    assert says in str(error)


def test_an_endpoint_that_nobody_trusts_hears_no_secret(tmp_path: Path, azure: TokenServer) -> None:
    device = Device(tmp_path)
    device.has(**principal(azure))
    assert "its certificate was refused" in str(device.refused(azure.host))
    assert azure.asked == []


# --- how long it is kept


def test_a_token_is_kept_until_the_last_quarter_of_its_life(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    device.clock.advance(0.74 * azure.life_s)
    assert device.get(azure.host) == first
    assert azure.paths() == EXCHANGED
    device.clock.advance(0.02 * azure.life_s)
    assert device.get(azure.host) != first
    assert azure.paths() == EXCHANGED * 2


def test_while_nobody_issues_a_new_one_the_old_one_serves_to_its_end(
    device: Device, azure: TokenServer, log: pytest.LogCaptureFixture
) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    azure.refusals["/oauth2/exchange"] = (503, {})
    device.clock.advance(0.9 * azure.life_s)
    assert device.get(azure.host) == first
    assert "token not renewed yet" in log.text
    device.clock.advance(0.1 * azure.life_s)
    assert isinstance(device.refused(azure.host), RegistryUnreachable)
    azure.refusals.clear()
    assert device.get(azure.host) != first


def test_an_identity_that_is_refused_meanwhile_is_not_used_to_the_end(
    device: Device, azure: TokenServer
) -> None:
    device.has(**principal(azure))
    device.get(azure.host)
    azure.refusals["/oauth2/exchange"] = (401, {})
    device.clock.advance(0.8 * azure.life_s)
    assert isinstance(device.refused(azure.host), RegistryDenied)


def test_a_file_that_was_changed_counts_at_once(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    device.has(**principal(azure, client_secret="canary-wrong"))
    assert isinstance(device.refused(azure.host), RegistryDenied)
    device.has(username="line3", password="x")
    assert device.get(azure.host).username == "line3"
    device.has(**principal(azure))
    assert device.get(azure.host) == first


def test_many_pulls_at_once_ask_for_one_token(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    got: list[Credential] = []
    threads = [threading.Thread(target=lambda: got.append(device.get(azure.host))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert azure.paths() == EXCHANGED


def test_nothing_of_it_comes_on_the_disk(tmp_path: Path, device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    signs_in(device.get(azure.host), azure)
    found = {path.name for path in tmp_path.rglob("*") if path.is_file() and CANARY in path.read_text()}
    assert found == {"reg"}


def test_where_no_registry_is_meant_a_password_is_wanted(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    assert "put username and password there" in str(device.refused(""))
