"""What does a broken transfer cost? The bytes that had not come: on a registry by the letter, and on the real one."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from edgetender.errors import RegistryUnreachable
from edgetender.model.image import parse_reference
from edgetender.packaging import oci_layout
from edgetender.packaging.image_pull import pull
from edgetender.packaging.logins import Login
from edgetender.packaging.push import push
from edgetender.registry.blob_upload import CHUNK_BYTES
from edgetender.secret import Secret
from tests.builders.layouts import write_layout
from tests.fakes.oci_registry import OciRegistry
from tests.services.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 500_000
PAUSES = [1, 2, 4, 8, 15]


class Interrupted(BaseException):
    """Somebody presses Ctrl-C."""


@pytest.fixture
def far() -> Iterator[OciRegistry]:
    with OciRegistry() as registry:
        yield registry


@pytest.fixture
def login(far: OciRegistry, tmp_path: Path) -> Login:
    return Login(far.host, plain_http=True, traces=tmp_path / "traces.json")


def layout(home: Path, size: int = SIZE) -> Path:
    write_layout(home / f"layout-{size}", "amd64", layer=b"0123456789abcde\n" * (size // 16))
    return home / f"layout-{size}"


def send(login: Login, home: Path, name: str = "x:1", size: int = SIZE, **more):
    place = home / f"layout-{size}"
    return push(f"{login.address}/{name}", place if place.exists() else layout(home, size), login, **more)


def fetch(login: Login, home: Path, **more):
    reference = parse_reference(f"{login.address}/x:1")
    more = {"say": lambda _: None} | more
    return pull(login, reference, "linux/amd64", home / "blobs", **more)


def real_login(registry, tmp_path: Path, port: int | None = None) -> Login:
    (user, password), *_ = registry.users.items()
    host = f"localhost:{port}" if port else registry.host
    return Login(host, user, Secret(password), registry.ca, traces=tmp_path / "traces.json")


def test_an_upload_that_breaks_goes_on_from_what_the_registry_has(far, login, tmp_path):
    far.budget, said, waits = [100_000, 100_000], [], []

    digest = send(login, tmp_path, say=said.append, wait=waits.append)

    assert ("x", digest) in far.manifests
    config = 100  # about what the rest of the image takes
    assert SIZE <= far.sent("PUT", "PATCH") < SIZE + 10 * config
    assert far.ranges == [f"100000-{SIZE - 1}", f"200000-{SIZE - 1}"]
    assert waits == [1, 1]  # each time it got further
    assert all("going on in 1 s" in line for line in said)


def test_a_large_blob_goes_in_chunks(far, login, tmp_path):
    size = 2 * CHUNK_BYTES + 16
    send(login, tmp_path, size=size)
    assert far.ranges == [
        f"0-{CHUNK_BYTES - 1}",
        f"{CHUNK_BYTES}-{2 * CHUNK_BYTES - 1}",
        f"{2 * CHUNK_BYTES}-{size - 1}",
    ]


def test_the_next_push_goes_on_with_what_an_earlier_one_began(far, login, tmp_path):
    def stop(_digest: str, sent: int, _size: int) -> None:
        if sent > CHUNK_BYTES:
            raise Interrupted

    size = CHUNK_BYTES + 1600
    with pytest.raises(Interrupted):
        send(login, tmp_path, size=size, progress=stop)
    assert login.traces.stat().st_mode & 0o777 == 0o600
    send(login, tmp_path, size=size)
    assert far.ranges[-1] == f"{CHUNK_BYTES}-{size - 1}"
    assert far.sent("PATCH") == CHUNK_BYTES


def test_an_upload_the_registry_forgot_begins_anew(far, login, tmp_path):
    far.budget = [100_000]
    digest = send(login, tmp_path, wait=lambda _: far.uploads.clear())
    assert ("x", digest) in far.manifests


def test_a_registry_that_has_other_bytes_of_an_upload_is_asked_where_it_stands(far, login, tmp_path):
    """416: another process went on with the same upload."""
    far.budget = [100_000]

    def meanwhile(_: float) -> None:
        (upload,) = far.uploads.values()
        upload += (b"0123456789abcde\n" * 20_000)[len(upload) : 200_000]

    digest = send(login, tmp_path, wait=meanwhile)
    assert far.ranges == [f"200000-{SIZE - 1}"]
    assert ("x", digest) in far.manifests


def test_an_upload_with_a_wrong_beginning_is_thrown_away_by_the_registry_and_sent_anew(far, login, tmp_path):
    far.budget = [100_000]

    def spoil(_: float) -> None:
        (upload,) = far.uploads.values()
        upload[0] ^= 1

    digest = send(login, tmp_path, wait=spoil)
    assert ("x", digest) in far.manifests


def test_a_push_that_gets_no_further_ends_and_says_why(far, login, tmp_path):
    far.budget, waits = [100_000] + [0] * 100, []
    with pytest.raises(RegistryUnreachable, match="cannot push"):
        send(login, tmp_path, wait=waits.append)
    assert waits == [1, *PAUSES]


@pytest.mark.parametrize(("status", "pauses"), [(400, []), (415, []), (503, PAUSES), (429, PAUSES)])
def test_what_a_registry_will_not_have_is_not_offered_again(far, login, tmp_path, status, pauses):
    far.refuses, waits = status, []
    with pytest.raises(RegistryUnreachable, match=f"answered {status}"):
        send(login, tmp_path, wait=waits.append)
    assert waits[-5:] == pauses


def test_a_registry_that_is_not_there_is_told_at_once(tmp_path):
    waits = []
    with OciRegistry() as gone:
        login = Login(gone.host, plain_http=True)
    with pytest.raises(RegistryUnreachable, match="connection refused"):
        send(login, tmp_path, wait=waits.append)
    assert waits == []


@pytest.mark.parametrize("takes", [True, False], ids=["it takes it", "it wants the bytes"])
def test_a_blob_of_another_repository_is_mounted(far, login, tmp_path, takes):
    send(login, tmp_path, "one:1")
    before, far.mounts = far.sent("PUT"), takes

    digest = send(login, tmp_path, "team/two:1")

    manifest = len(far.manifests["team/two", digest])
    assert far.sent("PUT") - before == (manifest if takes else before)
    assert [method for method, path, _ in far.asked if "team/two/blobs/uploads/" in path] == (
        ["MOUNT"] * 2 if takes else ["MOUNT", "PUT"] * 2
    )


def test_what_was_pulled_from_a_registry_is_mounted_there_too(far, login, tmp_path):
    send(replace(login, traces=None), tmp_path)
    fetch(login, tmp_path)
    before = far.sent("PUT")
    digest = send(login, tmp_path, "other:1")
    assert far.sent("PUT") - before == len(far.manifests["other", digest])


def test_a_download_that_breaks_goes_on_where_it_was(far, login, tmp_path):
    send(login, tmp_path)
    far.ranges.clear()
    far.budget, waits, told = [200_000, 200_000], [], []

    digest = fetch(login, tmp_path, wait=waits.append, progress=lambda *numbers: told.append(numbers))

    assert far.ranges == ["bytes=200000-", "bytes=400000-"]
    image = oci_layout.image_of(tmp_path / "blobs", digest)
    assert oci_layout.blob(tmp_path / "blobs", image.layers[0].digest).stat().st_size == SIZE
    assert (image.layers[0].digest, SIZE, SIZE) in told
    assert [path.name for path in (tmp_path / "blobs").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("fault", ["the same", "no ranges", "other bytes"])
def test_the_next_pull_goes_on_with_what_an_earlier_one_had(far, login, tmp_path, fault):
    send(login, tmp_path)

    def stop(_: float) -> None:
        raise Interrupted

    far.budget = [200_000]
    with pytest.raises(Interrupted):
        fetch(login, tmp_path, wait=stop)
    (begun,) = (tmp_path / "blobs").glob(".begun-*")
    assert begun.stat().st_size == 200_000
    far.ranges.clear()
    far.ranged = fault != "no ranges"
    if fault == "other bytes":
        begun.write_bytes(b"x" * 200_000)

    digest = fetch(login, tmp_path, wait=lambda _: None)

    assert far.ranges[0] == "bytes=200000-"
    (layer,) = oci_layout.image_of(tmp_path / "blobs", digest).layers
    assert (tmp_path / "blobs" / layer.digest.removeprefix("sha256:")).stat().st_size == SIZE


def test_the_real_registry_mounts_and_goes_on_with_what_was_begun(registry, tmp_path, caplog):
    def stop(_digest: str, sent: int, _size: int) -> None:
        if sent > CHUNK_BYTES:
            raise Interrupted

    login, size, told = real_login(registry, tmp_path), CHUNK_BYTES + 1600, []
    with pytest.raises(Interrupted):
        send(login, tmp_path, size=size, progress=stop)
    send(login, tmp_path, size=size, progress=lambda _digest, sent, _size: told.append(sent))
    assert told[0] == CHUNK_BYTES

    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")
    digest = send(login, tmp_path, "team/mounted:1", size=size)
    assert caplog.text.count("mount=") == caplog.text.count('HTTP/1.1" 201 0') - 1 == 2  # and the manifest
    with login.open() as opened:
        assert opened.resolve(parse_reference(f"{registry.host}/team/mounted:1"), "amd64").digest == digest


def test_the_real_registry_gets_it_all_over_a_wire_that_is_cut(registry, tmp_path):
    """It forgets an upload whose chunk broke off in the middle; what it has whole it keeps."""
    with Wire(registry.port) as wire:
        login, cuts = real_login(registry, tmp_path, wire.port), []

        def cut(_digest: str, sent: int, _size: int) -> None:
            if not cuts and sent > 1_000_000:
                cuts.append(sent)
                wire.cut()

        digest = send(login, tmp_path, "cut:1", size=4_000_000, progress=cut, wait=lambda _: wire.mend())
        assert cuts
        with login.open() as opened:
            assert opened.resolve(parse_reference(f"{login.address}/cut:1"), "amd64").digest == digest


def test_a_download_from_the_real_registry_goes_on_over_a_wire_that_is_cut(registry, tmp_path):
    send(real_login(registry, tmp_path), tmp_path, "x:1", size=40_000_000)
    with Wire(registry.port) as wire:
        login, cuts = real_login(registry, tmp_path, wire.port), []

        def cut(_digest: str, done: int, _size: int) -> None:
            if not cuts and done > 1_000_000:
                cuts.append(done)
                wire.cut()

        told = []
        fetch(login, tmp_path, wait=lambda _: wire.mend(), progress=lambda *n: (told.append(n[1]), cut(*n)))
        assert cuts
        assert all(one <= other for one, other in pairwise(told) if other > 1_000_000)
