"""How does a containerd without Docker take an image? From an OCI archive, by the program ctr that comes with it.

ctr finds containerd by CONTAINERD_ADDRESS and works in CONTAINERD_NAMESPACE, as for a person (Kubernetes': k8s.io).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO

from edgetender.codec import canonical
from edgetender.errors import EngineDown, EngineRefused
from edgetender.model.image import parse_reference
from edgetender.packaging import oci_layout
from edgetender.packaging.oci_layout import Image


def give(image: Image, reference: str) -> str:
    """Give containerd the image under its full name, and say it as `docker pull` does; its digest stays.

    Raises EngineDown, EngineRefused.
    """
    name = str(parse_reference(reference))
    had = image.digest in _ctr(name, "images", "ls", f"name=={name}")
    with TemporaryFile() as archive:
        _archive(image, name, archive)
        archive.seek(0)
        _ctr(name, "images", "import", "--platform", image.platform, "-", stdin=archive)
    return f"{'Image is up to date' if had else 'Downloaded newer image'} for {name}"


def _archive(image: Image, name: str, out: BinaryIO) -> None:
    """The image as an OCI layout in a tar, named as containerd reads it."""
    body = oci_layout.blob(image.blobs, image.digest).read_bytes()
    kind = json.loads(body).get("mediaType", oci_layout.MANIFEST)
    named = {"digest": image.digest, "size": len(body), "annotations": {"io.containerd.image.name": name}}
    index = {"schemaVersion": 2, "manifests": [{"mediaType": kind, **named}]}
    with tarfile.open(fileobj=out, mode="w") as tar:
        for digest in sorted(
            {image.digest, oci_layout.config_digest(image), *(one.digest for one in image.layers)}
        ):
            path = oci_layout.blob(image.blobs, digest)
            tar.add(path, f"blobs/sha256/{path.name}")
        for file, content in (("index.json", index), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
            info = tarfile.TarInfo(file)
            info.size = len(canonical(content))
            tar.addfile(info, BytesIO(canonical(content)))


def _ctr(name: str, *words: str, stdin: BinaryIO | None = None) -> str:
    program = shutil.which("ctr")
    what = f"give {name} to containerd"
    if program is None:
        raise EngineDown(
            f"cannot {what}: there is no program ctr; install containerd, or use --engine docker"
        )
    done = subprocess.run(
        [program, "--connect-timeout", "5s", *words],
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    said = (done.stderr.strip().splitlines() or ["nothing"])[-1].removeprefix("ctr: ")
    if "connect" in said or "dial" in said:
        raise EngineDown(f"cannot {what}: none answers: {said}; start it, or name it by CONTAINERD_ADDRESS")
    raise EngineRefused(f"cannot {what}: ctr says: {said}")
