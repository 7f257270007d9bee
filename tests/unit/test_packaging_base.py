"""Is a base the same for the same files, whichever way they come, and is its Python found?"""

import shutil
import subprocess
import tarfile

import pytest

from edgetender.errors import ImageMissing, Permanent
from edgetender.packaging import oci_layout
from edgetender.packaging.base_image import from_rootfs, python_of
from tests.builders import packages


def test_what_differs_from_run_to_run_is_left_out(tmp_path):
    root = packages.rootfs(tmp_path)
    first = from_rootfs(root, tmp_path / "one")
    (root / "var/log/bootstrap.log").write_text("another day")
    (root / "etc/machine-id").write_text("another machine")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy, symlinks=True)
    (copy / "usr/bin/also").unlink()
    (copy / "usr/bin/also").hardlink_to(copy / "usr/bin/python3.11")

    assert from_rootfs(root, tmp_path / "two") == first
    assert from_rootfs(copy, tmp_path / "three") == first
    found = packages.members(tmp_path / "one", 0)
    assert {"var/log", "usr/share/doc/dpkg/copyright", "tmp"} <= found.keys()
    assert not {"var/log/bootstrap.log", "usr/share/doc/dpkg/changelog.gz", "etc/machine-id"} & found.keys()
    assert found["tmp"].mode == 0o1777
    assert found["usr/bin/python3"].linkname == "python3.11"
    assert [one.name for one in found.values() if one.islnk()] == ["usr/bin/python3.11"]


@pytest.mark.parametrize("suffix", ["tar", "tar.gz"])
def test_a_tar_gives_an_image_too_and_the_same_one_each_time(tmp_path, suffix):
    root = packages.rootfs(tmp_path)
    archive = tmp_path / f"rootfs.{suffix}"
    subprocess.run(["tar", "--sort=name", "-caf", archive, "-C", root, "."], check=True)

    digest = from_rootfs(archive, tmp_path / "one")

    assert from_rootfs(archive, tmp_path / "two") == digest
    assert set(packages.members(tmp_path / "one", 0)) == (
        from_rootfs(root, tmp_path / "three") and set(packages.members(tmp_path / "three", 0))
    )
    assert python_of(oci_layout.read(tmp_path / "one")).path == "/usr/bin/python3.11"


def test_the_configuration_has_the_packages_architecture(tmp_path):
    from_rootfs(packages.rootfs(tmp_path, "arm64"), tmp_path / "arm")

    assert oci_layout.read(tmp_path / "arm").platform == "linux/arm64/v8"
    with pytest.raises(ImageMissing, match="it holds linux/arm64/v8"):
        oci_layout.read(tmp_path / "arm", "linux/amd64")


def test_the_python_of_a_base_is_found_with_its_c_library(tmp_path):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    python = python_of(oci_layout.read(tmp_path / "base"))

    assert (python.path, python.minor, python.glibc_minor) == ("/usr/bin/python3.11", 11, 36)


def test_a_base_without_python_or_c_library_is_refused(tmp_path):
    root = packages.rootfs(tmp_path)
    (root / "usr/lib/x86_64-linux-gnu/libc.so.6").unlink()
    from_rootfs(root, tmp_path / "musl")
    (root / "usr/bin/python3.11").unlink()
    (root / "usr/bin/also").unlink()
    from_rootfs(root, tmp_path / "bare")

    with pytest.raises(Permanent, match="GNU C Library"):
        python_of(oci_layout.read(tmp_path / "musl"))
    with pytest.raises(Permanent, match="no python3"):
        python_of(oci_layout.read(tmp_path / "bare"))


def test_what_is_no_root_file_system_is_refused(tmp_path):
    text = tmp_path / "text.tar"
    text.write_text("no archive at all")
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w"):
        pass

    with pytest.raises(Permanent, match="no root file system"):
        from_rootfs(text, tmp_path / "a")
    with pytest.raises(Permanent, match="architecture"):
        from_rootfs(empty, tmp_path / "b")
    with pytest.raises(ImageMissing, match="cannot read"):
        oci_layout.read(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_members_that_climb_out_of_a_tar_stay_out(tmp_path):
    archive = tmp_path / "evil.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(packages.rootfs(tmp_path), ".")
        tar.addfile(tarfile.TarInfo("../../outside"))

    from_rootfs(archive, tmp_path / "image")

    assert not [name for name in packages.members(tmp_path / "image", 0) if "outside" in name]
