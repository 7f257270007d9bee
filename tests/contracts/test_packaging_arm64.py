"""Is an image for arm64, packaged on another machine, arm64 down to its last library? Looked at, never run."""

import struct
import tarfile

import pytest

from edgetender.packaging import DirectBuilder, InferenceConfig, oci_layout
from edgetender.packaging.base_image import from_rootfs
from tests.builders import packages
from tests.services.engine import REPOSITORY

AARCH64 = 183  # e_machine of ELF


def machine(content):
    """The ELF machine of a file; None for what is no ELF."""
    return struct.unpack_from("<H", content, 18)[0] if content[:4] == b"\x7fELF" else None


@pytest.fixture(scope="module")
def arm64(tmp_path_factory):
    """The real server and a real environment, wheels from the package index, on a base that looks like Debian 12's."""
    folder = tmp_path_factory.mktemp("arm64")
    from_rootfs(packages.rootfs(folder, "arm64"), folder / "base")
    (folder / "score.py").write_text(packages.SCRIPT)
    (folder / "requirements.txt").write_text("MarkupSafe==3.0.3\n")
    config = InferenceConfig("score.py", requirements_file="requirements.txt", folder=folder)
    builder = DirectBuilder(folder / "store", server_source=REPOSITORY / "modules" / "scoring")
    return builder.build((), config, folder / "base", folder / "image", platform="linux/arm64")


def test_every_library_is_for_arm64_and_named_so(arm64):
    image = oci_layout.read(arm64.layout)
    found = {}
    for layer in image.layers[1:]:
        with tarfile.open(oci_layout.blob(image.blobs, layer.digest)) as tar:
            found |= {one.name: machine(tar.extractfile(one).read(64)) for one in tar if one.isreg()}
    libraries = {name: kind for name, kind in found.items() if kind is not None}

    assert {name for name in found if name.endswith(".so")} <= libraries.keys()
    assert set(libraries.values()) == {AARCH64}
    assert len(libraries) >= 4, libraries  # uvloop, httptools (two), orjson, MarkupSafe
    assert not [name for name in libraries if "x86_64" in name]


def test_the_image_says_it_is_for_arm64_and_an_amd64_device_is_refused(arm64):
    assert oci_layout.read(arm64.layout).config["architecture"] == "arm64"
    assert oci_layout.read(arm64.layout, "linux/arm64").digest == arm64.digest
    with pytest.raises(Exception, match="it holds linux/arm64"):
        oci_layout.read(arm64.layout, "linux/amd64")
