"""OCI layouts of images that no engine runs, for registries to take."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgetender.model.image import ImageFacts, Layer
from edgetender.registry.manifests import OCI_INDEX, OCI_MANIFEST

_IMAGE = "application/vnd.oci.image"


def write_layout(
    home: Path, *architectures: str, index: bool = False, layer: bytes | None = None
) -> tuple[ImageFacts, ...]:
    """An OCI layout of tiny images, or of images with this *layer*; the facts a registry must then tell of them."""
    blobs = home / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"digest": f"sha256:{name}", "size": len(content)}

    children, facts = [], []
    for architecture in architectures:
        content = put(layer or f"the layer for {architecture}, {home.name}".encode() * 1000)
        settings = {"Env": ["A=1"], "Labels": {"b": "2"}}
        rootfs = {"type": "layers", "diff_ids": [content["digest"]]}
        words = {"os": "linux", "architecture": architecture, "config": settings, "rootfs": rootfs}
        config = put(json.dumps(words).encode())
        of_layer, of_config = f"{_IMAGE}.layer.v1.tar", f"{_IMAGE}.config.v1+json"
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "layers": [content | {"mediaType": of_layer}],
            "config": config | {"mediaType": of_config},
        }
        child = put(json.dumps(manifest).encode()) | {"mediaType": OCI_MANIFEST}
        children.append(child | {"platform": {"os": "linux", "architecture": architecture}})
        size = content["size"] + config["size"]
        layers = (Layer(content["digest"], content["size"]),)
        facts.append(
            ImageFacts(
                child["digest"],
                child["digest"],
                architecture,
                "",
                "linux",
                size,
                layers,
                ("A=1",),
                (("b", "2"),),
            )
        )
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    (home / "index.json").write_bytes(body)
    (home / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    if index:
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        facts = [replace(one, index_digest=digest) for one in facts]
    return tuple(facts)
