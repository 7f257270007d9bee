"""Secrets stay where they belong: canaries in every credential, every way to fail, everything said at DEBUG, and read."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import tarfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from demo.parts.registry import Registry
from demo.parts.waiting import until
from tests.services.agent import Daemon
from tests.services.broker import TestBroker
from tests.services.mqtt_listener import Listener
from tests.services.token_server import CLIENT, SECRET, TENANT, TokenServer

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.broker, pytest.mark.timeout(600)]
DEVICE = f"canary-{os.getpid()}"
WRONG, BROKEN, BROKER, KEY, CAMERA, CLIENT_SECRET = (
    f"canary/{name}+7f3a9c51e8d2&=" for name in ("wrong", "broken", "broker", "key", "camera", "client")
)


def spellings(secret: str) -> set[bytes]:
    """As text, in a URL, in hexadecimal, in JSON, and in base64 wherever it may begin."""
    raw = secret.encode()
    found = {
        raw,
        urllib.parse.quote(secret, safe="").encode(),
        raw.hex().encode(),
        json.dumps(secret)[1:-1].encode(),
    }
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw)
            found.add(
                text[-(-before * 4 // 3) : len(text) // 4 * 4 - 4]
            )  # without what its neighbours decide
    return found


def hits(what: bytes, secrets: dict[str, str]) -> list[str]:
    return [name for name, secret in secrets.items() if any(one in what for one in spellings(secret))]


def credential(folder: Path, name: str, body: str) -> None:
    path = folder / "credentials" / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(body)


@pytest.fixture
def image(registry: Registry, engine_image: str, engine_socket: str) -> Iterator[str]:
    """The probe image in the registry, and in the engine only under another name."""
    name = f"{registry.host}/team/canary"
    user, password = next(iter(registry.users.items()))
    with contextlib.closing(docker.APIClient(base_url=engine_socket, timeout=60)) as client:
        client.tag(engine_image, name, tag="1")
        login = {"username": user, "password": password}
        said = list(client.push(name, tag="1", stream=True, decode=True, auth_config=login))
        client.remove_image(f"{name}:1")
        (digest,) = (event["aux"]["Digest"] for event in said if "aux" in event)
        yield f"{name}@{digest}"
        for container in client.containers(all=True, filters={"label": f"io.edgetender.device={DEVICE}"}):
            client.remove_container(container, force=True)


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenServer]:
    with TokenServer(tmp_path / "tokens") as server:
        yield server


def manifest(version: int, image: str, credential: str | None, host: str, **more: Any) -> bytes:
    module = {"image": image, "health": {"http": {"path": "/"}, "interval": 1}}
    access = {host: {"credential": credential}} if credential else {}
    document = {
        "schema": "edgetender/v1", "deployment": "canary", "version": version, "modules": {"scorer": module | more},
        "registries": access, "update": {"settle": 0},
    }  # fmt: skip
    return json.dumps(document).encode()


def test_no_secret_is_found_where_people_and_programs_look(
    tmp_path: Path,
    engine_socket: str,
    registry: Registry,
    broker: TestBroker,
    image: str,
    tokens: TokenServer,
) -> None:
    user, password = next(iter(registry.users.items()))
    secrets = {
        "the registry's": password,
        "a wrong one": WRONG,
        "a broken file's": BROKEN,
        "the broker's": BROKER,
    }
    secrets |= {"a key's": KEY, "a module's": CAMERA}
    credential(tmp_path, "camera", CAMERA)
    (tmp_path / "policy.toml").write_text('[allowed]\nsecrets = ["camera"]\n')
    credential(tmp_path, "right", json.dumps({"username": user, "password": password}))
    credential(tmp_path, "wrong", json.dumps({"username": user, "password": WRONG}))
    credential(tmp_path, "broken", f'{{"username": "{user}", "password": "{BROKEN}"')
    credential(tmp_path, "broker", json.dumps({"username": "user", "password": BROKER}))
    said = {"client_id": CLIENT, "client_secret": SECRET, "registry": registry.host}
    identity = {"kind": "acr", "tenant": TENANT, "authority": tokens.url, "client_secret": CLIENT_SECRET}
    credential(tmp_path, "identity", json.dumps(said | identity))
    oauth2 = {"kind": "oauth2", "token_url": f"{tokens.url}/oauth/token", "username": user}
    credential(tmp_path, "token", json.dumps(said | oauth2))
    secrets |= {"a client's": SECRET, "a wrong client's": CLIENT_SECRET, "a token": "canary-entra-1"}
    (tmp_path / "key.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n")
    (tmp_path / "key.pem").chmod(0o600)
    plain = f'[transport]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = {broker.port}\ntls = false\n'
    seen: dict[str, bytes] = {}

    # a broker that refuses the password, and a key that is none
    with Daemon(
        tmp_path, DEVICE, engine_socket, f'{plain}username = "user"\npassword_credential = "broker"\n'
    ) as daemon:
        until(lambda: "refused" in str(daemon.client.status()["upstream"]).lower(), "the refusal")
        seen["status, refused"] = json.dumps(daemon.client.status()).encode()
    tls = f'[transport]\nkind = "mqtt"\nhost = "localhost"\nport = {broker.tls_port}\nca = "{broker.ca}"\n'
    tls += f'certificate = "{broker.client_cert}"\nkey = "{tmp_path}/key.pem"\n'
    with Daemon(tmp_path, DEVICE, engine_socket, tls) as daemon:
        until(lambda: daemon.client.status()["upstream"]["detail"], "what is wrong with the key")
        seen["status, no key"] = json.dumps(daemon.client.status()).encode()

    registries = f'[registries."{registry.host}"]\nca = "{registry.ca}"\n'
    registries += f'[registries."{tokens.host}"]\nca = "{tokens.ca}"\n'
    with (
        Listener(broker.port, DEVICE) as hub,
        Daemon(tmp_path, DEVICE, engine_socket, plain + registries) as daemon,
    ):
        for version, name, code in (
            (1, "wrong", "registry.unauthorized"),
            (2, "broken", "credential.unusable"),
            (3, "identity", "registry.unauthorized"),
            (4, "absent", "credential.unusable"),
            (5, "token", "registry.unauthorized"),
        ):
            hub.publish("desired", manifest(version, image, name, registry.host), retain=True)
            until(lambda code=code: daemon.why().get("scorer") == code, f"{name}: {code}")
        last = manifest(6, image, "right", registry.host, secrets=["camera"])
        assert set(tokens.paths()) == {f"POST /{TENANT}/oauth2/v2.0/token", "POST /oauth/token"}
        hub.publish("desired", last, retain=True)
        until(lambda: daemon.client.status()["version"] == 6, "the right one")
        seen["status"] = json.dumps(daemon.client.status()).encode()
        for words in (
            ("status", "-o", "json"),
            ("check",),
            ("history", "-o", "json"),
            ("events",),
            ("config", "show"),
        ):
            seen[" ".join(words)] = daemon.said(*words)
        seen |= {path: daemon.over_http(path) for path in ("/metrics", "/v1/status", "/")}
        bundle = daemon.said("support-bundle", "-o", "-")
        hub.forget("desired")
        seen["MQTT"] = b"\n".join(one.body for one in hub.heard)
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        for member in archive.getmembers():
            if (opened := archive.extractfile(member)) is not None:
                seen[f"bundle: {member.name}"] = opened.read()
    with contextlib.closing(docker.APIClient(base_url=engine_socket, timeout=60)) as client:
        (one,) = client.containers(all=True, filters={"label": f"io.edgetender.device={DEVICE}"})
        told = client.inspect_container(one)
        seen["docker inspect"] = json.dumps(told).encode()
        process = Path(f"/proc/{told['State']['Pid']}")
        assert (process / "root/run/secrets/camera").read_text() == CAMERA  # where it belongs, and only there
        seen["the module's environment"] = (process / "environ").read_bytes()
    seen["log"] = (tmp_path / "log").read_bytes()
    seen |= {
        f"state: {path.name}": path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file()
    }

    assert b"DEBUG" in seen["log"] or b"INFO" in seen["log"]
    assert [f"{name} in {place}" for place, what in seen.items() for name in hits(what, secrets)] == []


def test_the_search_finds_what_is_there() -> None:
    login = base64.b64encode(f"line3:{WRONG}".encode())
    for body in (
        WRONG.encode(),
        b"x" + login,
        urllib.parse.quote(WRONG, safe="").encode(),
        WRONG.encode().hex().encode(),
    ):
        assert hits(b"..." + body + b"...", {"wrong": WRONG, "broken": BROKEN}) == ["wrong"]
