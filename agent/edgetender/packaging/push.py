"""Where does a finished image go? To the registry its reference names."""

from pathlib import Path

from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.image import Credential
from edgetender.registry.distribution import Registry
from edgetender.secret import Secret


def push(
    reference: str, layout: Path, *, username: str | None, password: Secret | None, ca_file: Path | None
) -> str:
    """Send the layout's image and return its digest; blobs the registry holds are not sent again.

    Raises ConfigInvalid for a reference that names no registry, RegistryDenied, RegistryUnreachable.
    """
    host, repository, tag = split(reference)
    credential = Credential(username, password or Secret("")) if username is not None else None
    with Registry(host, credential=credential, ca_file=ca_file) as registry:
        return registry.push(repository, tag, layout)


def split(reference: str) -> tuple[str, str, str]:
    """Return registry, repository and tag (`latest` when none is named). Raises ConfigInvalid."""
    host, slash, rest = reference.partition("/")
    if not slash or not (":" in host or "." in host or host == "localhost") or "@" in rest:
        text = f"{reference!r} names no registry; write registry/name:tag"
        raise ConfigInvalid((Problem("--tag", "reference.invalid", text),))
    repository, _, tag = rest.partition(":")
    return host, repository, tag or "latest"
