"""What does the name of a base image mean here? A path, a catalogue's name, an image of the store, a registry's."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgetender.errors import ConfigInvalid, NotFound, Problem, RegistryUnreachable
from edgetender.model.image import HUB, ImageReference, parse_reference
from edgetender.packaging import base_catalogue, oci_layout
from edgetender.packaging.base_name import is_path
from edgetender.packaging.image_pull import pull
from edgetender.packaging.image_store import ImageStore
from edgetender.packaging.inference_config import ContainerRegistry
from edgetender.packaging.logins import Login, Logins

_BASE_IMAGE = "baseImage"


@dataclass(frozen=True, slots=True)
class Base:
    """A base that is here: *path*, an OCI layout or a root file system; *reference*, if an engine knows it by one."""

    path: Path
    reference: str | None = None


class Bases:
    """Finds bases: those made here in *images*, those of registries are kept in *pulled*, blobs in *blobs*."""

    def __init__(
        self,
        images: ImageStore,
        pulled: ImageStore,
        blobs: Path,
        logins: Logins,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._images, self._pulled, self._blobs = images, pulled, blobs
        self._logins, self._say = logins, say

    def find(
        self,
        text: str | None,
        platform: str,
        *,
        accelerator: str = "cpu",
        registry: ContainerRegistry | None = None,
    ) -> Base:
        """Return the base *text* names; None: the default for *accelerator* on *platform*.

        *registry*: the credential triple where the image is private; no other registry is told it. Raises
        ConfigInvalid, NotFound, ImageMissing, RegistryDenied, RegistryUnreachable.
        """
        if text is not None and (here := _path(text)) is not None:
            return Base(here)
        entry = self._entry(text, platform, accelerator)
        if entry is not None and entry.licence:
            self._say(f"licence: {entry.reference}: {entry.licence}")
        try:
            reference = parse_reference(entry.reference if entry is not None else text or "")
        except ValueError as error:
            raise ConfigInvalid((Problem(_BASE_IMAGE, "reference.invalid", str(error)),)) from error
        return self._image(reference, platform, registry or ContainerRegistry())

    def _entry(self, text: str | None, platform: str, accelerator: str) -> base_catalogue.BaseImage | None:
        if text is not None:
            return base_catalogue.named(text)
        architecture = platform.split("/")[1]
        entry = base_catalogue.default_for(accelerator, architecture)
        if entry is None:
            why = f"no base is known for {accelerator} on {architecture}; name one"
            raise ConfigInvalid((Problem(_BASE_IMAGE, "base.none", why),))
        self._say(f"no base is named, so it is {entry.reference}")
        return entry

    def _image(self, reference: ImageReference, platform: str, given: ContainerRegistry) -> Base:
        """A digest names the same for ever, and what was packaged here needs no registry; a tag is asked again."""
        name = str(reference)
        mine = self._images.place(_as_written_here(reference))
        if mine.is_dir():
            return Base(mine, _as_written_here(reference))
        kept = self._pulled.place(f"{name}--{platform.replace('/', '-')}")
        if reference.digest and oci_layout.is_whole(kept):
            return Base(kept, name)
        login = self._logins.get(reference.registry)
        if given.username and given.host == reference.registry:
            login = replace(login, username=given.username, password=given.secret())
        try:
            self._fetch(login, reference, platform, kept)
        except RegistryUnreachable as error:
            if not oci_layout.is_whole(kept):
                raise
            self._say(f"{error}; going on with the copy of {name} that is here")
        return Base(kept, name)

    def _fetch(self, login: Login, reference: ImageReference, platform: str, place: Path) -> None:
        digest = pull(login, reference, platform, self._blobs, self._say)
        place.parent.mkdir(parents=True, exist_ok=True)
        oci_layout.write(oci_layout.image_of(self._blobs, digest), place, name=str(reference))


def _as_written_here(reference: ImageReference) -> str:
    """Packages without a registry are named without one; Docker's grammar would put them on its hub."""
    name = str(reference)
    return name.removeprefix(f"{HUB}/library/") if reference.registry == HUB else name


def _path(text: str) -> Path | None:
    """A path as such: `oci:DIR`, or what is there under that name and no reference of a catalogue."""
    if text.startswith("oci:"):
        path = Path(text.removeprefix("oci:"))
        if not path.exists():
            raise NotFound(f"cannot find the base {path}; name an OCI layout or a root file system")
        return path
    path = Path(text).expanduser()
    if is_path(text) or (base_catalogue.named(text) is None and path.exists()):
        if not path.exists():
            raise NotFound(f"cannot find the base {path}; name an OCI layout or a root file system")
        return path
    return None
