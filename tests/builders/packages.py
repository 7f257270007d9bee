"""Small things to package: a base with a Python in name only, a wheel, a script, an unpacked image."""

import tarfile
import zipfile
from pathlib import Path

from edgetender.packaging import oci_layout

SCRIPT = "def init(): ...\n\n\ndef run(raw_data):\n    return raw_data\n"


def rootfs(folder: Path, machine: str = "amd64") -> Path:
    """A root file system that looks like Debian 12 to those who only read."""
    root = folder / f"rootfs-{machine}"
    for name, content in {
        "usr/bin/python3.11": "#!ELF, one would wish\n",
        "usr/lib/x86_64-linux-gnu/libc.so.6": "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
        "var/lib/dpkg/status": f"Package: dpkg\nArchitecture: {machine}\n",
        "var/log/bootstrap.log": "left out",
        "usr/share/doc/dpkg/changelog.gz": "left out",
        "usr/share/doc/dpkg/copyright": "kept",
        "etc/machine-id": "left out",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (root / "usr/bin/python3.11").chmod(0o755)
    (root / "usr/bin/python3").symlink_to("python3.11")
    (root / "usr/bin/also").hardlink_to(root / "usr/bin/python3.11")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    return root


def wheel(folder: Path, name: str, version: str, code: str = "", tag: str = "py3-none-any") -> Path:
    """A wheel of one module and one command."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", code or f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def server_source(folder: Path) -> Path:
    """A project that looks like the scoring server's and needs nothing."""
    package = folder / "server" / "edgetender_scoring"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "9.9"\n')
    (package / "__main__.py").write_text("")
    (folder / "server" / "requirements.txt").write_text(
        f"--no-index\n--find-links={wheel(folder, 'serverpart', '1.0').parent}\nserverpart==1.0\n"
    )
    return folder / "server"


def members(layout: Path, layer: int) -> dict[str, tarfile.TarInfo]:
    """The names in one layer of an image, in their order."""
    image = oci_layout.read(layout)
    with tarfile.open(oci_layout.blob(image.blobs, image.layers[layer].digest)) as tar:
        return {one.name: one for one in tar}


def content(layout: Path, layer: int, name: str) -> bytes:
    """One file of one layer."""
    image = oci_layout.read(layout)
    with tarfile.open(oci_layout.blob(image.blobs, image.layers[layer].digest)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()
