"""How one gets in at a registry without a password on the device: each way, and that nothing of it is ever printed."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgetender.engine.docker_engine import DockerEngine
from edgetender.errors import CredentialUnusable, RegistryDenied, RegistryUnreachable
from edgetender.model.access import ACR_USER
from edgetender.model.hardware import native_architecture
from edgetender.model.image import TOKEN_USER, Credential, parse_reference
from edgetender.registry.auth import Authorizations
from edgetender.registry.images import RegistryImages, RegistrySettings
from edgetender.secret import Secret
from tests.builders.layouts import write_layout
from tests.services.token_device import (
    EXCHANGED,
    Device,
    azure,
    device,
    log,
    principal,
    signs_in,
)
from tests.services.token_server import ARC_KEY, CLIENT, SECRET, TENANT, TokenServer

__all__ = ["azure", "device", "log"]

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


def test_a_server_that_wants_the_secret_in_a_header_gets_it_there(device: Device, azure: TokenServer) -> None:
    azure.in_header = True
    said = {"kind": "oauth2", "token_url": f"{azure.url}/oauth/token", "client_id": CLIENT}
    device.has(**said, client_secret=SECRET)
    device.get("registry.example")
    assert azure.paths() == ["POST /oauth/token"] * 2
    assert "client_secret" not in azure.asked[1].said


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
