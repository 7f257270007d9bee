"""Is an image whole? Read from archives as engines hand them out; and the sync beneath it."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from edgetender.engine.settling import settle
from edgetender.engine.whole import damage

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
