"""Is a base found under every name it may be given, and is what one has to know of it said?"""

import pytest

from edgetender.errors import ConfigInvalid, NotFound, RegistryUnreachable
from edgetender.packaging import oci_layout
from edgetender.packaging.base_catalogue import default_for, named
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.workspace import Workspace
from tests.builders import packages

PINNED = f"reg.invalid/team/base@sha256:{'ab' * 32}"
PLATFORM = "linux/amd64"


@pytest.fixture
def ws(tmp_path):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    return Workspace(tmp_path / "ws")


def keep(ws, tmp_path, reference):
    with ws.images.making(reference) as place:  # as if it had been pulled
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)


def test_a_base_may_be_named_by_digest(ws, tmp_path):
    keep(ws, tmp_path, PINNED)
    assert ws.bases(print).find(PINNED, PLATFORM).reference == PINNED


def test_without_a_name_it_is_the_default_of_the_accelerator_and_says_which(ws, tmp_path):
    expected = default_for("cpu", "amd64").reference
    keep(ws, tmp_path, expected.removeprefix("docker.io/library/"))  # as it is written where it was made
    said = []

    assert ws.bases(said.append).find(None, PLATFORM).path.is_dir()
    assert said == [f"no base is named, so it is {expected}"]


def test_a_licence_that_binds_is_said_when_the_base_is_used(ws, tmp_path):
    entry = named("onnxruntime-cuda")
    keep(ws, tmp_path, entry.reference)
    said = []

    found = ws.bases(said.append).find("onnxruntime-cuda", PLATFORM)

    assert found.reference == entry.reference
    assert said == [f"licence: {entry.reference}: {entry.licence}"]
    assert "Azure services only" in said[0]


def test_a_registry_that_is_not_there_and_a_path_that_is_not_there_are_told_apart(ws, tmp_path):
    bases = ws.bases(lambda _: None)
    with pytest.raises(RegistryUnreachable, match=r"reg\.invalid"):
        bases.find(PINNED, PLATFORM)
    for gone in ("oci:gone", "./gone.tar"):
        with pytest.raises(NotFound, match="name an OCI layout or a root file system"):
            bases.find(gone, PLATFORM)
    with pytest.raises(ConfigInvalid, match="no base is known for jetpack on amd64"):
        bases.find(None, PLATFORM, accelerator="jetpack")
