"""How does an image go to a container engine, and come back? In the engine's own archive, a tar with manifest.json."""

import json
import os
import tarfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from edgetender.errors import Permanent
from edgetender.packaging import oci_layout
from edgetender.packaging.layer import Layer, pack_stream
from edgetender.packaging.oci_layout import Image


def give(image: Image, reference: str, out: BinaryIO) -> None:
    """Write the image under this name: older engines read no OCI layout. Layers stay compressed."""
    config = oci_layout.config_digest(image).removeprefix("sha256:")
    names = [f"{layer.digest.removeprefix('sha256:')}.tar.gz" for layer in image.layers]
    body = json.dumps([{"Config": f"{config}.json", "RepoTags": [reference], "Layers": names}]).encode()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(oci_layout.blob(image.blobs, config), f"{config}.json")
        for layer, name in dict(zip(image.layers, names, strict=True)).items():
            tar.add(oci_layout.blob(image.blobs, layer.digest), name)
        info = tarfile.TarInfo("manifest.json")
        info.size = len(body)
        tar.addfile(info, BytesIO(body))


def take(tar: tarfile.TarFile, blobs: Path) -> Image:
    """Put the archive's only image into *blobs*, its layers packed. Raises Permanent for what is none."""
    try:
        manifest = json.loads(_read(tar, "manifest.json"))[0]
        config = json.loads(_read(tar, manifest["Config"]))
        layers = tuple(_layer(tar, name, blobs) for name in manifest["Layers"])
        diff_ids = config["rootfs"]["diff_ids"]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise Permanent(
            f"cannot take the image from the engine's archive: {error!r}; try it again"
        ) from error
    if [layer.diff_id for layer in layers] != diff_ids:
        raise Permanent(
            "cannot take the image from the engine's archive: its layers are not what it says; try it again"
        )
    return oci_layout.put_image(blobs, config, layers)


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    with _open(tar, name) as file:
        return file.read()


def _open(tar: tarfile.TarFile, name: str) -> BinaryIO:
    member = tar.getmember(name)
    if member.issym():  # one layer twice: the engine links the second to the first
        member = tar.getmember(os.path.normpath(Path(name).parent / member.linkname))
    file = tar.extractfile(member)
    if file is None:
        raise KeyError(name)
    return file  # type: ignore[return-value]  # a BufferedReader is one


def _layer(tar: tarfile.TarFile, name: str, blobs: Path) -> Layer:
    with _open(tar, name) as file:
        return pack_stream(file, blobs)
