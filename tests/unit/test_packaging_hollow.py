"""What a power cut left hollow in the store: is it made or pulled again, and nobody bothered with it?"""

import subprocess

import pytest

from edgetender.errors import RegistryUnreachable
from edgetender.packaging import oci_layout
from edgetender.packaging.image_store import ImageStore
from edgetender.packaging.workspace import Workspace
from tests.builders import packages
from tests.unit.test_packaging_bases import PINNED, PLATFORM
from tests.unit.test_packaging_builder import Bench


def test_a_hollow_manifest_or_configuration_is_made_again(tmp_path):
    bench = Bench(tmp_path)
    root, archive = packages.rootfs(tmp_path / "again"), tmp_path / "root.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    before = bench.build(base=archive).digest
    for blob in (tmp_path / "store/blobs/sha256").iterdir():
        if blob.read_bytes().startswith(b"{"):  # layers are synced, these are not
            blob.write_bytes(b"")

    assert bench.build("image-again", base=archive).digest == before


def test_a_hollow_base_is_pulled_again(tmp_path):
    workspace = Workspace(tmp_path / "ws")
    bench = Bench(tmp_path)
    pulled = ImageStore(workspace.root / "bases").place(f"{PINNED}--linux-amd64")
    oci_layout.write(oci_layout.read(bench.base), pulled)
    assert workspace.bases(print).find(PINNED, PLATFORM).path == pulled
    (pulled / "index.json").write_bytes(b"")

    with pytest.raises(RegistryUnreachable):
        workspace.bases(print).find(PINNED, PLATFORM)
