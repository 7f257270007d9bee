"""Which image do fronts run? The one in the archive that the agent was installed with, loaded when it is missing."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import docker
import docker.errors

from edgetender.errors import EngineRefused


class FrontImage:
    """The image in *archive*, known by its id: no name that somebody could move."""

    def __init__(self, archive: Path | None) -> None:
        self._archive = archive
        self._id: str | None = None

    def ensure(self, client: docker.APIClient) -> str:
        """Return the image's id once the engine has it. Raises EngineRefused for an archive that is none."""
        if self._archive is None:
            raise EngineRefused("cannot set up a front: no image for it is configured (front.archive)")
        image = self._known(self._archive)
        try:
            client.inspect_image(image)  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            with self._archive.open("rb") as archive:
                for _ in client.load_image(archive):  # type: ignore[no-untyped-call]
                    pass
        return image

    def _known(self, path: Path) -> str:
        if self._id is None:
            try:
                with tarfile.open(path) as tar:
                    file = tar.extractfile("manifest.json")
                    told = json.load(file) if file else []
                self._id = f"sha256:{Path(told[0]['Config']).stem}"
            except (OSError, tarfile.TarError, ValueError, LookupError, TypeError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise EngineRefused(
                    f"cannot read the front image {path}: {why}; "
                    "build it with modules/front/build.py, or leave front.archive empty"
                ) from error
        return self._id
