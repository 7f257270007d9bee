"""Is an image whole? Read from archives as engines hand them out; and the sync beneath it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgetender.engine.settling import settle
from edgetender.engine.whole import DockerImages, damage
from edgetender.errors import DiskFull, EngineDown, NotFound
from tests.faults.docker_api import Answering, UnixServer

LAYER = b"a layer, unpacked" * 1000
DIGEST = "sha256:" + hashlib.sha256(LAYER).hexdigest()


def archive(members: dict[str, bytes]) -> io.BytesIO:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    raw.seek(0)
    return raw


def test_an_image_with_all_its_layers_is_whole():
    assert damage(archive({"f00/layer.tar": LAYER, "manifest.json": b"[]"}), [DIGEST]) is None
    assert damage(archive({f"blobs/sha256/{DIGEST[7:]}": LAYER}), [DIGEST]) is None


def test_a_layer_of_other_content_is_named():
    said = damage(archive({"f00/layer.tar": LAYER.replace(b"unpacked", bytes(8))}), [DIGEST])
    assert said == f"layer {DIGEST[:19]} is damaged or missing"


def test_a_blob_that_is_not_what_its_name_says_is_damaged():
    said = damage(archive({f"blobs/sha256/{DIGEST[7:]}": LAYER[:-1]}), [])
    assert said is not None
    assert "not what its name says" in said


def test_an_archive_that_breaks_off_is_damaged():
    whole = archive({"f00/layer.tar": LAYER}).getvalue()
    said = damage(io.BytesIO(whole[: len(LAYER) // 2]), [DIGEST])
    assert said is not None
    assert "cannot hand out all of it" in said
    assert damage(io.BytesIO(b""), [DIGEST]) is not None


def test_a_file_system_is_synced_by_any_directory_of_it(tmp_path: Path):
    settle(str(tmp_path))
    settle(str(tmp_path / "not there"))  # then all of them are


def test_a_root_that_is_closed_to_us_is_synced_by_what_is_above_it(tmp_path: Path):
    closed = tmp_path / "docker"
    closed.mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("only root may become nobody")
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        settle(str(closed))
    finally:
        os.seteuid(0)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[type[Answering]]:
    """Hands out one image as its class attributes say: a status and a body."""

    class Engine(Answering):
        status, body = 200, archive({"f00/layer.tar": LAYER}).getvalue()
        asked = 0

        def do_GET(self) -> None:  # noqa: N802  # the library's name
            if self.path.endswith("/version"):
                self.answer(200, {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
            elif self.path.endswith("/info"):
                self.answer(200, {"DockerRootDir": str(tmp_path)})
            elif self.path.endswith("/json"):
                self.answer(200, {"RootFS": {"Layers": [DIGEST]}})
            else:
                Engine.asked += 1
                self.answer(self.status, self.body)

    with UnixServer(str(tmp_path / "engine"), Engine) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Engine
        server.shutdown()
        thread.join()


def test_an_engine_hands_out_a_whole_image_once_and_a_damaged_one_twice(engine: Any, tmp_path: Path):
    images = DockerImages(f"unix://{tmp_path}/engine")
    assert images.flaw("probe") is None
    assert engine.asked == 1
    engine.status, engine.body = 500, b'{"message":"file integrity checksum failed for \\"bin/sh\\""}'
    assert images.flaw("probe") == 'file integrity checksum failed for "bin/sh"'
    assert engine.asked == 3
    images.settle()
    images.close()


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (500, "write /var/lib/docker/tmp/x: no space left on device", DiskFull),
        (503, "shutting down", EngineDown),
        (404, "No such image", NotFound),
    ],
)
def test_what_says_nothing_of_the_image_condemns_none(
    engine: Any, tmp_path: Path, status: int, words: str, expected: type[Exception]
):
    engine.status, engine.body = status, json.dumps({"message": words}).encode()
    images = DockerImages(f"unix://{tmp_path}/engine")
    with pytest.raises(expected):
        images.flaw("probe")
    images.close()
