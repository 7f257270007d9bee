"""What is in an image? Its system, C library, Pythons, conda and CUDA, read from its layers; nothing is run."""

import json
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from edgetender.packaging import oci_layout
from edgetender.packaging.base_image import GLIBC_VERSION, LIBC, PYTHON
from edgetender.packaging.oci_layout import Image

_CONDA = re.compile(r"(?:^|/)conda-meta/conda-(\d+\.\d+(?:\.\d+)*)-[^/]+\.json$")
_CUDA_FOLDER = re.compile(r"^(?:\./)?usr/local/cuda-(\d+\.\d+)(?:/|$)")
_CUDA_FILE = re.compile(r"^(?:\./)?usr/local/cuda(?:-[\d.]+)?/version\.json$")
_L4T = re.compile(r"^(?:\./)?etc/nv_tegra_release$")
_MUSL = re.compile(r"(?:^|/)lib/ld-musl-[\w-]+\.so\.1$")
_SMALL = 64 * 1024


@dataclass(slots=True)
class ImageFacts:
    """What was found; None and empty where it was not."""

    platform: str
    os_id: str | None = None
    os_version: str | None = None
    os_name: str | None = None
    glibc: str | None = None
    musl: bool = False
    pythons: dict[str, str] = field(default_factory=dict)
    conda: str | None = None
    cuda: str | None = None
    l4t: str | None = None
    user: str = ""
    entrypoint: list[str] = field(default_factory=list)
    size_bytes: int = 0


def look(image: Image) -> ImageFacts:
    """Read every layer once, the lowest first: a file counts as the last layer has it."""
    run = image.config.get("config") or {}
    facts = ImageFacts(
        image.platform,
        user=run.get("User") or "",
        entrypoint=list(run.get("Entrypoint") or ()),
        size_bytes=sum(layer.size for layer in image.layers),
    )
    for layer in image.layers:
        with oci_layout.opened(image, layer) as tar:
            for member in tar:
                _note(facts, tar, member)
    env = dict(pair.partition("=")[::2] for pair in run.get("Env") or ())
    if version := env.get("CUDA_VERSION"):
        facts.cuda = version
    return facts


def _note(facts: ImageFacts, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix("./")
    _note_name(facts, name)
    if not member.isreg():
        return
    if name in {"etc/os-release", "usr/lib/os-release"}:
        _os(facts, _text(tar, member))
    elif _CUDA_FILE.match(name):
        facts.cuda = _cuda(_text(tar, member)) or facts.cuda
    elif _L4T.match(name):
        facts.l4t = _l4t(_text(tar, member))
    elif LIBC.search(name) and (file := tar.extractfile(member)):
        version = GLIBC_VERSION.search(file.read())
        facts.glibc = version[1].decode() if version else facts.glibc


def _note_name(facts: ImageFacts, name: str) -> None:
    folder, _, last = name.rpartition("/")
    if last.startswith(".wh."):
        facts.pythons.pop(f"/{folder}/{last[4:]}", None)
    elif match := PYTHON.match(name):
        facts.pythons[f"/{match[1]}"] = f"3.{match[2]}"
    elif match := _CONDA.search(name):
        facts.conda = match[1]
    elif match := _CUDA_FOLDER.match(name):
        facts.cuda = facts.cuda or match[1]
    elif _MUSL.search(name):
        facts.musl = True


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    return file.read(_SMALL).decode("utf-8", "replace") if file else ""


def _os(facts: ImageFacts, text: str) -> None:
    said = {
        key: value.strip().strip("\"'") for key, _, value in (one.partition("=") for one in text.splitlines())
    }
    facts.os_id, facts.os_version = said.get("ID"), said.get("VERSION_ID")
    facts.os_name = said.get("PRETTY_NAME")


def _cuda(text: str) -> str | None:
    try:
        version = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(version)


def _l4t(text: str) -> str | None:
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    return f"{found[1]}.{found[2]}" if found else None


def of_layout(path: Path, platform: str | None = None) -> ImageFacts:
    """Look into a layout's image. Raises ImageMissing, Permanent."""
    return look(oci_layout.read(path, platform))
