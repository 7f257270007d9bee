"""Where does a finished image go? To the registry its reference names."""

from collections.abc import Callable
from pathlib import Path

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging import traces
from edgetender.packaging.image_store import registry_of
from edgetender.packaging.logins import Login
from edgetender.packaging.transfer import Reached, Say, kept_up
from edgetender.registry.blob_upload import Progress


def push(
    reference: str,
    layout: Path,
    login: Login,
    *,
    progress: Progress | None = None,
    say: Say = lambda _: None,
    wait: Callable[[float], object] | None = None,
) -> str:
    """Send the layout's image and return its digest; blobs the registry holds are not sent again.

    What breaks is gone on with, now and in the next call. Raises ConfigInvalid for a reference that names no
    registry, RegistryDenied, RegistryUnreachable.
    """
    _, repository, tag = split(reference)
    reached, known = Reached(progress), traces.of_file(login.traces)
    with login.open() as registry:
        return kept_up(
            lambda: registry.push(repository, tag, layout, progress=reached, traces=known),
            reached,
            say,
            wait,
        )


def split(reference: str, at: str = "--tag") -> tuple[str, str, str]:
    """Return registry, repository and tag (`latest` when none is named). Raises ConfigInvalid, about *at*."""
    host = registry_of(reference)
    if host is None or "@" in reference:
        text = f"{reference!r} names no registry; write registry/name:tag"
        raise ConfigInvalid((Problem(at, "reference.invalid", text),))
    repository, _, tag = reference.removeprefix(f"{host}/").partition(":")
    return host, repository, tag or "latest"
