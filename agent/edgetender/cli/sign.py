"""`edgetender sign` and `edgetender verify`: a manifest becomes one that devices trust, or is it one?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.keys import password
from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, faults_of, options, options_but_format, say
from edgetender.clock import rfc3339
from edgetender.model.quantity import parse_duration
from edgetender.model.signed import DEFAULT_VALIDITY
from edgetender.model.units import duration_text

if TYPE_CHECKING:
    from edgetender.model.image import ImageReference

_PATH = click.Path(path_type=Path)


def _duration(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    try:
        return timedelta(seconds=parse_duration(value))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@options_but_format
@click.argument("file", type=FILE)
@click.option(
    "--key", "keys", type=_PATH, multiple=True, required=True, help="A manifest key; as many as must sign."
)
@click.option(
    "--root", type=_PATH, help="The trust root of the devices; else root.json beside the first key."
)
@click.option("--device", "devices", multiple=True, metavar="NAME", help="A device that may take it.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group of devices that may.")
@click.option(
    "--architecture", "architectures", multiple=True, metavar="NAME", help="Only on these: amd64, arm64 …"
)
@click.option(
    "--valid",
    default=duration_text(DEFAULT_VALIDITY.total_seconds()),
    show_default=True,
    callback=_duration,
    help="How long it may be taken; what runs by then goes on.",
)
@click.option("--version", type=click.IntRange(1), help="Of an IoT Edge deployment, which has none itself.")
@click.option(
    "--resolve/--no-resolve",
    default=True,
    help="Write the digest behind each tag, as the registry says; or refuse tags.",
)
@click.option(
    "--verify-image",
    "image_keys",
    type=_PATH,
    multiple=True,
    metavar="KEY|CERTIFICATE",
    help="Each image must be signed: with cosign by the public key, or with notation by whom the authority certified.",
)
@click.option("--store", type=_PATH, help="Where logins to registries are kept.")
@click.option("-o", "--output", "written", type=_PATH, help="Where the signed manifest goes; else stdout.")
@click.pass_obj
def sign(
    session: Session,
    file: Path,
    keys: tuple[Path, ...],
    root: Path | None,
    devices: tuple[str, ...],
    groups: tuple[str, ...],
    architectures: tuple[str, ...],
    valid: timedelta,
    version: int | None,
    resolve: bool,
    image_keys: tuple[Path, ...],
    store: Path | None,
    written: Path | None,
) -> Exit:
    """Sign the manifest FILE (JSON or YAML, - for stdin) for the devices that are named.

    Devices take digests only in what is signed: each tag is looked up, with the login of edgetender registry login.
    """
    from edgetender.fleet.keyring import read, write
    from edgetender.fleet.pinning import refuse_tags
    from edgetender.model.reading import manifest_of

    if not devices and not groups:
        raise click.UsageError("say who may take it: --device or --group")
    for path in keys:
        read(path)  # before any registry is asked
    document = ManifestFile(file)
    with document.faults_located():
        manifest = document.value(document.numbered(version))
        manifest_of(manifest)
        if resolve:
            manifest = resolved(manifest, store)
        else:
            refuse_tags(manifest)
        if image_keys:
            require_images_signed(manifest, image_keys, store, session.now())
    body = envelope(manifest, keys, root, devices, groups, architectures, valid=valid, now=session.now())
    if written is None:
        click.echo(body.decode())
    else:
        write(written, body + b"\n")
    return Exit.OK


def resolved(manifest: dict[str, Any], store: Path | None) -> dict[str, Any]:
    """A valid manifest, its tags looked up with the logins in *store*. Raises ManifestInvalid, Transient."""
    from edgetender.fleet.pinning import pinned

    return pinned(manifest, digests_by(store))


def digests_by(store: Path | None) -> Callable[[ImageReference], str]:
    """What registries say that an image is now, asked with the logins in *store*."""
    from edgetender.packaging.workspace import Workspace

    logins = Workspace(store).logins

    def digest_of(reference: ImageReference) -> str:
        with logins.get(reference.registry).open() as registry:
            return registry.digest(reference)

    return digest_of


def require_images_signed(
    manifest: dict[str, Any], keys: Sequence[Path], store: Path | None, now: datetime
) -> None:
    """Ask the registries for signatures of each image of *manifest*. Raises ManifestInvalid, Transient."""
    from edgetender.fleet.image_signatures import require_signed
    from edgetender.fleet.keyring import read
    from edgetender.fleet.pinning import check_images
    from edgetender.packaging.workspace import Workspace
    from edgetender.trust.code_signing import Authority
    from edgetender.trust.public_keys import PublicKey

    def trust(path: Path) -> PublicKey | Authority:
        body = read(path)
        kind = Authority if b"-----BEGIN CERTIFICATE-----" in body else PublicKey
        return kind.from_pem(body, str(path))

    logins = Workspace(store).logins
    trusted = [trust(path) for path in keys]

    def check(image: ImageReference) -> None:
        with logins.get(image.registry).open() as registry:
            key = require_signed(image, registry, trusted, now)
        say(f"{image} is signed by {key}")

    check_images(manifest, check)


def envelope(
    manifest: Any,
    keys: Sequence[Path],
    root: Path | None,
    devices: Sequence[str],
    groups: Sequence[str] = (),
    architectures: Sequence[str] = (),
    *,
    valid: timedelta = DEFAULT_VALIDITY,
    now: datetime,
) -> bytes:
    """The manifest signed with these key files. Raises NotFound, CredentialUnusable, TrustRefused."""
    from edgetender.fleet.keyring import load_key, read
    from edgetender.fleet.signing import signed
    from edgetender.trust.verification import first_root

    return signed(
        manifest,
        [load_key(path, password()) for path in keys],
        first_root(read(root or keys[0].parent / "root.json")),
        devices=devices,
        groups=groups,
        architectures=architectures,
        valid=valid,
        now=now,
    )


@click.command()
@options
@click.argument("file", type=FILE)
@click.option("--root", type=_PATH, required=True, help="The trust root of the devices.")
@click.pass_obj
def verify(session: Session, file: Path, root: Path) -> Exit:
    """Check the signatures on the manifest FILE, and that it may be taken today."""
    from edgetender.fleet.keyring import read
    from edgetender.fleet.signing import checked
    from edgetender.model.reading import manifest_of
    from edgetender.trust.verification import first_root

    with faults_of(root):
        trusted = first_root(read(root))
    with faults_of(file):
        found = checked(ManifestFile(file).wire(), trusted, session.now())
        manifest, targets = manifest_of(found.manifest), found.targets
    if session.for_people:
        named = ", ".join([*targets.devices, *(f"group {group}" for group in targets.groups)])
        only = f", on {' or '.join(targets.architectures)}" if targets.architectures else ""
        said = f"{manifest.deployment} version {manifest.version}: signed for {named}{only}"
        session.print_lines([f"{said}, until {rfc3339(found.not_after)}"])
    else:
        session.print_document(
            {
                "apiVersion": "edgetender/v1",
                "kind": "SignedManifest",
                "deployment": manifest.deployment,
                "version": manifest.version,
                "epoch": found.epoch,
                "issuedAt": rfc3339(found.issued_at),
                "notAfter": rfc3339(found.not_after),
                "targets": targets.model_dump(mode="json"),
            }
        )
    return Exit.OK
