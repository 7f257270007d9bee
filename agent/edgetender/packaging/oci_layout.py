"""What does an OCI image-layout directory hold? Reads and writes one (image-spec 1.0), a blob at a time."""

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import ImageMissing, Permanent
from edgetender.packaging.compressed import unpacked
from edgetender.packaging.layer import GZIP, Layer
from edgetender.packaging.writer import writer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_OCI_NAMES = {  # Docker's names for the same bytes
    "application/vnd.docker.image.rootfs.diff.tar.gzip": GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a layout: where its blobs are, its manifest's digest, its configuration and layers."""

    blobs: Path
    digest: str
    config: dict[str, Any]
    layers: tuple[Layer, ...]

    @property
    def platform(self) -> str:
        variant = self.config.get("variant")
        plain = f"{self.config.get('os', 'linux')}/{self.config.get('architecture', 'amd64')}"
        return f"{plain}/{variant}" if variant else plain


def blob(blobs: Path, digest: str) -> Path:
    """Return where the blob of *digest* is, or would be."""
    return blobs / digest.removeprefix("sha256:")


def put(blobs: Path, content: bytes) -> str:
    """Write a small blob; return its digest."""
    digest = f"sha256:{sha256_hex(content)}"
    blobs.mkdir(parents=True, exist_ok=True)
    blob(blobs, digest).write_bytes(content)
    return digest


def read(layout: Path, platform: str | None = None) -> Image:
    """Return the layout's image for *platform* (None: its only one). Raises ImageMissing, Permanent."""
    blobs = layout / "blobs" / "sha256"
    try:
        index = json.loads((layout / "index.json").read_bytes())
        images = [image_of(blobs, digest) for digest in _manifests(blobs, index)]
    except FileNotFoundError as error:
        raise ImageMissing(
            f"cannot read the image {layout}: {error.filename} is missing; fetch or make it again"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            f"cannot read the image {layout}: it is no OCI image layout: {error!r}; fetch or make it again"
        ) from error
    for image in images:
        if platform is None or runs_on(image, platform):
            return image
    held = ", ".join(image.platform for image in images) or "nothing"
    raise ImageMissing(
        f"cannot use the image {layout} for {platform}: it holds {held}; name one for that platform"
    )


def is_whole(layout: Path) -> bool:
    """Whether *layout* is there and can be read: a power cut may have left it hollow, for it is not synced."""
    try:
        read(layout)
    except (ImageMissing, Permanent):
        return False
    return True


def image_of(blobs: Path, digest: str) -> Image:
    """Return the image whose manifest is *digest*. Raises OSError, ValueError, KeyError."""
    manifest = json.loads(blob(blobs, digest).read_bytes())
    config = json.loads(blob(blobs, manifest["config"]["digest"]).read_bytes())
    layers = tuple(
        Layer(layer["digest"], diff_id, layer["size"], _media_type(layer))
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True)
    )
    return Image(blobs, digest, config, layers)


def _media_type(descriptor: dict[str, Any]) -> str:
    said: str = descriptor.get("mediaType", GZIP)
    return _OCI_NAMES.get(said, said)


def runs_on(image: Image, platform: str) -> bool:
    """Whether the image is for *platform*; a variant counts only where both name one."""
    mine, asked = image.platform.split("/"), platform.split("/")
    return all(one == other for one, other in zip(mine, asked, strict=False))


def config_digest(image: Image) -> str:
    """The digest of the image's configuration, by which engines know it."""
    manifest = json.loads(blob(image.blobs, image.digest).read_bytes())
    digest: str = manifest["config"]["digest"]
    return digest


def check_platform(image: Image, platform: str, origin: Path) -> None:
    """Raise ImageMissing unless the image runs on *platform*."""
    if not runs_on(image, platform):
        raise ImageMissing(
            f"cannot use {origin} for {platform}: it is for {image.platform}; name another, or its platform"
        )


def _manifests(blobs: Path, index: dict[str, Any]) -> Iterator[str]:
    for descriptor in index["manifests"]:
        if descriptor.get("mediaType") in {INDEX, _DOCKER_INDEX}:
            yield from _manifests(blobs, json.loads(blob(blobs, descriptor["digest"]).read_bytes()))
        else:
            yield descriptor["digest"]


def put_image(blobs: Path, config: dict[str, Any], layers: tuple[Layer, ...]) -> Image:
    """Write configuration and manifest of an image whose layers are in *blobs* already."""
    body = canonical(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": _CONFIG, "digest": put(blobs, body), "size": len(body)},
        "layers": [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in layers],
    }
    return Image(blobs, put(blobs, canonical(manifest)), config, layers)


def write(image: Image, out: Path, *, name: str | None = None) -> None:
    """Make *out* a layout of this image alone, in one step: until the end it is what it was before.

    Raises Permanent when *out* exists and is no image layout.
    """
    write_several([image], out, name=name)


def write_several(images: Sequence[Image], out: Path, *, name: str | None = None) -> str:
    """Make *out* a layout of images for several platforms; return the digest that a registry will know it by.

    That is the image's own where there is but one, else their index's. Raises as `write`.
    """
    if out.exists() and any(out.iterdir()) and not (out / "oci-layout").is_file():
        raise Permanent(f"cannot write the image to {out}: it is no image layout; name an empty directory")
    part = out.parent / f".{out.name}.part-{writer()}"
    target = part / "blobs" / "sha256"
    target.mkdir(parents=True)
    try:
        descriptors = [_shared(image, target) for image in images]
        if name is not None and len(images) == 1:  # an index is the same under any name
            descriptors[0]["annotations"] = {"org.opencontainers.image.ref.name": name}
        index = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors})
        (part / "index.json").write_bytes(index)
        (part / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        if out.exists():
            shutil.rmtree(out)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return images[0].digest if len(images) == 1 else f"sha256:{sha256_hex(index)}"


def _shared(image: Image, target: Path) -> dict[str, Any]:
    """Bring the image's blobs into *target*; return its descriptor."""
    for digest in {image.digest, config_digest(image), *(one.digest for one in image.layers)}:
        share(blob(image.blobs, digest), blob(target, digest))
    osname, architecture, *variant = image.platform.split("/")
    platform = {"os": osname, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
    size = blob(image.blobs, image.digest).stat().st_size
    return {"mediaType": MANIFEST, "digest": image.digest, "size": size, "platform": platform}


def share(source: Path, target: Path) -> None:
    """Give *source* a second name; copy it where the file system cannot."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def opened(image: Image, layer: Layer) -> Iterator[tarfile.TarFile]:
    """Open a layer to be read from front to back. Raises Permanent where it is damaged."""
    try:
        with (
            unpacked(blob(image.blobs, layer.digest)) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            yield tar
    except (tarfile.ReadError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        why = f"{error or 'it ends early'}; it is damaged: fetch it again"
        raise Permanent(f"cannot read the layer {layer.digest}: {why}") from error
