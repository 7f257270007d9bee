"""A port with TLS on real parts, from the manifest to the client: updates, renewals, and versions that are no good."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from demo.parts.load import Load
from demo.parts.waiting import until
from demo.steps import deploying
from demo.world import HOST_PORT, World
from tests.system.test_update_under_load import (
    BODY,
    PER_S,
    behaving,
    load,
    push,
    reported,
    serving,
    unharmed,
    world,
)

__all__ = ["load", "world"]

pytestmark = [
    pytest.mark.system,
    pytest.mark.engine,
    pytest.mark.broker,
    pytest.mark.registry,
    pytest.mark.timeout(600),
]


def port(certificate: str) -> list[dict[str, Any]]:
    return [{"host": HOST_PORT, "container": 5001, "tls": {"certificate": certificate}}]


class Clients:
    """Who trusts an authority of its own."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.context = ssl.create_default_context()
        self.authority.configure_trust(self.context)

    def issued(self) -> bytes:
        return self.authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()

    def shown(self) -> str:
        with (
            socket.create_connection(("127.0.0.1", HOST_PORT), timeout=60) as wire,
            self.context.wrap_socket(wire, server_hostname="127.0.0.1") as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()


@pytest.fixture
def memory(world: World) -> Iterator[Path]:
    """Where this device hands keys over: in memory, and no other device's."""
    place = Path(tempfile.mkdtemp(prefix="edgetender-", dir="/dev/shm"))
    said = world.device.config.read_text()
    world.device.stop()
    world.device.config.write_text(
        said.replace("[credentials]\n", f'[credentials]\nhanded = "{place / "secrets"}"\n')
    )
    world.device.start()
    yield place
    world.device.stop()
    world.device.config.write_text(said)
    world.device.start()
    shutil.rmtree(place)


def know(world: World, name: str, pem: bytes) -> None:
    path = world.device.home / "credentials" / name
    path.touch(mode=0o600)
    path.write_bytes(pem)


def taken(world: World, since: float) -> None:
    reported(world, 200, since)
    world.facts["manifest"] = world.facts["pushed"]
    deploying.wait_until_one_each(world)


def test_a_version_that_takes_too_much_memory_is_rolled_back_and_costs_no_request(
    world: World, load: Load
) -> None:
    body = reported(world, 417, push(world, **behaving(world, "hoards")))
    said = body["lastDesiredStatus"]["description"]
    assert "MiB of memory, the version before it took" in said, said
    unharmed(load)


def test_tls_from_the_manifest_to_the_client(world: World, memory: Path) -> None:
    clients = Clients()
    know(world, "scoring", clients.issued())
    taken(world, push(world, ports=port("scoring")))
    before = clients.shown()
    with Load(HOST_PORT, "/score", kept=3, fresh=3, per_s=PER_S, body=BODY, tls=clients.context) as load:
        load.go_on(PER_S)
        know(world, "scoring", clients.issued())
        until(lambda: clients.shown() != before, "the renewed certificate")
        taken(world, push(world, env={"SITE": "over TLS"}))
        assert serving(world) == "SITE=over TLS"

        key = trustme.CA().issue_cert("127.0.0.1").private_key_pem.bytes()
        chain = clients.issued()
        know(world, "wrong", key + chain[chain.index(b"-----BEGIN CERTIFICATE-----") :])
        body = reported(world, 417, push(world, ports=port("wrong"), env={"SITE": "with a wrong key"}))
        assert "its key is not that of its first certificate" in body["lastDesiredStatus"]["description"]
        load.go_on(PER_S)
    assert not load.failures, str(load)
    assert [one.name for one in (memory / "secrets").glob("*/*")] == ["scoring"]
