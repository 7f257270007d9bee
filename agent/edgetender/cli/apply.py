"""`edgetender apply -f FILE`: hand a manifest to the agent on this device, and see it through."""

from __future__ import annotations

from pathlib import Path

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import accepted, decided, finish, followed, following, waits
from edgetender.errors import Problem


@click.command()
@options
@click.option("-f", "--file", type=FILE, required=True, help="A manifest; - for stdin.")
@click.option(
    "--now", is_flag=True, help="Wait for no maintenance window, and for no module that asks for time."
)
@waits
@click.pass_obj
def apply(session: Session, file: Path, now: bool, timeout: float | None) -> Exit:
    """Apply a manifest, signed or not, or an Azure IoT Edge deployment as the version after the device's newest."""
    client, manifest = session.client(), ManifestFile(file)
    with manifest.faults_located():
        manifest.document()
        before = client.status()
        body = manifest.wire(following(before))
        delivery = client.post("/v1/apply", body)["delivery"]
    decision = decided(session, client, delivery)
    faults = decision["problems"] if decision is not None else []
    if faults:
        manifest.say(Problem(one["path"], one["code"], one["message"]) for one in faults)

    if now and decision is not None and decision["code"] in (200, 406):
        decided(session, client, client.post("/v1/now")["delivery"])

    def follow() -> tuple[Exit, str]:
        return followed(session, client, accepted(decision, before, now=now), before, timeout or 0.0)

    versioned = (
        decision is None or decision["version"] is not None
    )  # a root document has none: it counts, or not
    awaited = follow if timeout is not None and versioned else None
    return finish(session, "Applied", delivery, decision, awaited, told=bool(faults))
