"""`edgetender model deploy`: models and two configurations become a service on a device, or on a group of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.cli.broker import Broker, broker_options, duration
from edgetender.cli.image_words import platforms as platforms_of
from edgetender.cli.output import Exit, Session, options, say
from edgetender.cli.package_variants import entry, pushed
from edgetender.cli.progress import log
from edgetender.cli.registry import host
from edgetender.errors import ConfigInvalid, Permanent
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.inference_file import from_json
from edgetender.packaging.logins import Login
from edgetender.packaging.model_store import parse_model
from edgetender.packaging.packager import Order, Packager
from edgetender.packaging.variants import MadeVariant, make, read_bases
from edgetender.packaging.workspace import Workspace
from edgetender.packaging.writer import why_not_written

if TYPE_CHECKING:
    from edgetender.packaging.deployment import Deployments

_PATH = click.Path(path_type=Path)
Manifest = dict[str, Any]


@click.command()
@options
@click.option("-n", "--name", required=True, help="The service's name, and its module's on the device.")
@click.option(
    "-m", "--model", "models", multiple=True, metavar="MODEL[:VERSION]", help="Registered; several, or none."
)
@click.option("--ic", type=_PATH, help="Inference configuration (JSON); a single Onnx model needs none.")
@click.option("--dc", type=_PATH, help="Deployment configuration (JSON): port, resources, probe, …")
@click.option("--ct", "target", required=True, metavar="DEVICE|GROUP", help="Where it shall run.")
@click.option("--registry", help="Where the image goes; else the workspace's own registry.")
@click.option(
    "--credential",
    help="What devices call their login to it; else the registry's name as a file can be named.",
)
@click.option("--base", "bases", multiple=True, metavar="[VARIANT][@PLATFORM=]BASE", help="As of package.")
@click.option(
    "--platform", default="linux/amd64", show_default=True, callback=platforms_of, help="Several with commas between."
)  # fmt: skip
@click.option(
    "--variant",
    "variants",
    multiple=True,
    help="One of cpu, cuda, tensorrt, jetpack; may be given several times.",
)
@click.option(
    "--manifest",
    "file",
    type=_PATH,
    help="What the device has now, if it came from elsewhere; the service is added.",
)
@click.option("--version", type=click.IntRange(1), help="Of the manifest; else the next one.")
@click.option(
    "--sign-key", "keys", type=_PATH, multiple=True, help="Sign it, for devices that take no other."
)
@click.option(
    "--root", type=_PATH, help="The trust root of the devices; else root.json beside the first key."
)
@broker_options
@click.option("--follow", is_flag=True, help="Wait for the devices' verdicts.")
@click.option(
    "--timeout", "timeout_s", default="120s", show_default=True, callback=duration, help="How long to wait."
)
@click.option("--dry-run", is_flag=True, help="Package, and print the manifest; nothing leaves this machine.")
@click.option("--store", type=_PATH, help="Where layers, models and what was deployed are kept.")
@click.option("--server-source", type=_PATH, help="The scoring server's project.")
@click.pass_obj
def deploy(
    session: Session,
    name: str,
    models: tuple[str, ...],
    ic: Path | None,
    dc: Path | None,
    target: str,
    registry: str | None,
    credential: str | None,
    bases: tuple[str, ...],
    platform: str,
    variants: tuple[str, ...],
    file: Path | None,
    version: int | None,
    keys: tuple[Path, ...],
    root: Path | None,
    broker: Broker | None,
    follow: bool,
    timeout_s: float,
    dry_run: bool,
    store: Path | None,
    server_source: Path | None,
) -> Exit:
    """Package registered models, push the image, and make the service part of what a device shall run.

    A device keeps the services it has from here; one of the same name is replaced. The manifest names the image
    by its digest. With --follow the exit code is that of `edgetender push`; of several devices, the first bad one.
    """

    from edgetender.packaging.deployment import Deployments, with_service

    if broker is None and not dry_run:
        raise click.UsageError("name the broker: --broker, or EDGETENDER_BROKER; or --dry-run")
    workspace = Workspace(store, server_source=server_source, now=session.now)
    kept = Deployments(workspace.root / "deployments")
    devices = kept.devices(target)
    config, wanted = _configurations(name, ic, dc)
    login = workspace.logins.get(host(registry, workspace)) if registry else workspace.logins.default()
    order = _order(workspace, f"{login.address}/{name}", models, config)
    before = {device: _before(file) or kept.last(device) for device in devices}
    made = _packaged(workspace, order, variants, platform, bases)
    module, reach = {**_images(made), **wanted}, _credential(login, credential)
    manifests = {
        device: with_service(
            before[device], name, module, registry=login.address, credential=reach, version=version
        )
        for device in devices
    }
    if dry_run or broker is None:
        return _shown(session, list(manifests.values()))
    if keys:
        manifests = {device: _pinned(one, store) for device, one in manifests.items()}
    bodies = {device: _wire(session, one, device, keys, root) for device, one in manifests.items()}
    for one in made:
        pushed(one.reference, one.layout, login)
    return _delivered(session, name, broker, kept, manifests, bodies, timeout_s, follow=follow)


def _configurations(name: str, ic: Path | None, dc: Path | None) -> tuple[InferenceConfig, dict[str, Any]]:
    """Both files, the second as the module's keys. Raises ConfigInvalid with every fault of name and files."""
    from edgetender.packaging import deployment_config
    from edgetender.packaging.deployment import name_problems

    problems, wanted, config = name_problems(name), deployment_config.DeploymentConfig(), InferenceConfig()
    try:
        wanted = deployment_config.read(dc) if dc is not None else wanted
    except ConfigInvalid as error:
        problems += error.problems
    try:
        config = from_json(ic, script_required=False) if ic is not None else config
    except ConfigInvalid as error:
        problems += error.problems
    if problems:
        raise ConfigInvalid(tuple(problems))
    for warning in (*config.warnings, *wanted.warnings):
        say(f"warning: {warning}")
    return config, wanted.module()


def _order(workspace: Workspace, repository: str, models: Sequence[str], config: InferenceConfig) -> Order:
    return Order(
        tuple(workspace.models.get(*parse_model(one)) for one in models),
        config,
        f"{repository}:{workspace.timestamp(repository)}",
        accelerator="cuda" if config.enable_gpu else "cpu",
    )


def _packaged(
    workspace: Workspace, order: Order, variants: Sequence[str], platform: str, bases: Sequence[str]
) -> tuple[MadeVariant, ...]:
    try:
        with log() as tell:
            return make(Packager(workspace, tell), order, variants, platform.split(","), read_bases(bases))
    except OSError as error:
        raise Permanent(
            f"cannot package {order.reference}: {why_not_written(error, workspace.root)}"
        ) from error


def _images(made: Sequence[MadeVariant]) -> Manifest:
    """One image without conditions in the short form."""
    if len(made) == 1 and made[0].name == "default":
        return {"image": made[0].pinned}
    return {"variants": [entry(one) for one in made]}


def _credential(login: Login, named: str | None) -> str | None:
    """The device's own login to the registry, by its name: its value goes nowhere."""
    if named is None and login.credential() is None:
        return None
    found = named or login.address.lower().replace(":", "-")
    say(f"devices pull from {login.address} with their credential {found}: docs/how-to/private-registry.md")
    return found


def _before(file: Path | None) -> Manifest | None:
    from edgetender.cli.manifest_file import ManifestFile
    from edgetender.model.reading import manifest_of

    if file is None:
        return None
    document = ManifestFile(file)
    with document.faults_located():
        found: Manifest = document.value()
        manifest_of(found)
    return found


def _wire(
    session: Session, manifest: Manifest, device: str, keys: Sequence[Path], root: Path | None
) -> bytes:
    """What the device is given: the manifest, or a signed envelope around it for this device alone."""
    from edgetender.cli.sign import envelope
    from edgetender.codec import canonical

    return envelope(manifest, keys, root, [device], now=session.now()) if keys else canonical(manifest)


def _pinned(manifest: Manifest, store: Path | None) -> Manifest:
    """Services that came from elsewhere may be named by tags: devices take none in what is signed."""
    from edgetender.cli.sign import resolved

    return resolved(manifest, store)


def _shown(session: Session, manifests: Sequence[Manifest]) -> Exit:
    """YAML for people too: what is shown is what `edgetender push` takes."""
    if session.for_people:
        session.output = "yaml"
    for manifest in manifests:
        session.print_document(manifest, one_of_many=len(manifests) > 1)
    return Exit.OK


def _delivered(
    session: Session,
    name: str,
    broker: Broker,
    kept: Deployments,
    manifests: dict[str, Manifest],
    bodies: dict[str, bytes],
    timeout_s: float,
    *,
    follow: bool,
) -> Exit:
    """One device after the other, each kept before it is sent. The exit code is the first that is not 0."""
    from edgetender.cli.push import deliver, worst
    from edgetender.fleet.push import new_traceparent

    answers, codes, trace = [], [], new_traceparent()
    for device, manifest in manifests.items():
        kept.keep(device, manifest)
        code, answer = deliver(
            session, broker, device, manifest, bodies[device], timeout_s=timeout_s, follow=follow, trace=trace
        )  # fmt: skip
        codes.append(code)
        answers.append(answer | {"manifest": manifest})
    if not session.for_people:
        head = {"apiVersion": "edgetender/v1", "kind": "ModelDeployment", "name": name}
        session.print_document(head | {"devices": answers})
    return worst(codes)
