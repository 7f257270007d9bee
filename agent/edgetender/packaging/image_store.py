"""Which images have been packaged or pulled here? OCI layouts by reference, in a directory made on first use."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from edgetender.errors import AgentError, NotFound
from edgetender.packaging import oci_layout
from edgetender.packaging.oci_layout import Image
from edgetender.packaging.writer import writer

MODELS_LABEL = "io.edgetender.models"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """One image of the store; *size_bytes* is what its layers take, packed."""

    reference: str
    layout: Path
    image: Image
    created: datetime
    size_bytes: int

    @property
    def repository(self) -> str:
        return split(self.reference)[0]

    @property
    def tag(self) -> str:
        return split(self.reference)[1]

    @property
    def models(self) -> tuple[str, ...]:
        """The models in it, as name:version."""
        labels = (self.image.config.get("config") or {}).get("Labels") or {}
        return tuple(filter(None, str(labels.get(MODELS_LABEL, "")).split(",")))

    @property
    def identity(self) -> str:
        """What an engine calls the image's id: the digest of its configuration."""
        return oci_layout.config_digest(self.image)


def split(reference: str) -> tuple[str, str]:
    """Return repository (with its registry) and tag; `latest` where none is named."""
    name, at, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", digest if at else tag or "latest"


def registry_of(reference: str) -> str | None:
    """Return the registry that *reference* begins with, by Docker's rule; None: it names none."""
    host, slash, _ = reference.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else None


class ImageStore:
    """Images below *root*; each is there whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, reference: str) -> Path:
        """Return where the layout of *reference* is, or would be."""
        repository, tag = split(reference)
        return self.root / quote(f"{repository}{'@' if ':' in tag else ':'}{tag}", safe="")

    @contextmanager
    def making(self, reference: str) -> Iterator[Path]:
        """Yield a directory to write the layout to; at the end it is the store's, or gone on an exception."""
        final = self.place(reference)
        part = self.root / f".part-{writer()}-{final.name}"
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        try:
            yield part
            shutil.rmtree(final, ignore_errors=True)
            part.rename(final)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def get(self, reference: str) -> KeptImage:
        """Raises NotFound."""
        place = self.place(reference)
        if not place.is_dir():
            known = "none is here yet" if not self.list() else "edgetender images lists what is here"
            raise NotFound(f"cannot find the image {reference}: {known}")
        return self._kept(place)

    def holding(self, model: str) -> tuple[KeptImage, ...]:
        """The images that *model* (name:version) is in."""
        return tuple(one for one in self.list() if model in one.models)

    def list(self) -> tuple[KeptImage, ...]:
        """Every image, the newest first; empty before the first."""
        found = []
        for place in self.root.iterdir() if self.root.is_dir() else ():
            if not place.name.startswith("."):
                try:
                    found.append(self._kept(place))
                except AgentError:
                    continue  # damaged: not usable, so not listed
        return tuple(sorted(found, key=lambda one: (one.created, one.reference), reverse=True))

    def _kept(self, place: Path) -> KeptImage:
        image = oci_layout.read(place)
        created = datetime.fromtimestamp((place / "index.json").stat().st_mtime, UTC)
        size = sum(layer.size for layer in image.layers)
        return KeptImage(unquote(place.name), place, image, created, size)
