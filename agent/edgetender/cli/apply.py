"""`edgetender apply -f FILE`: hand a manifest to the agent on this device, and see it through."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edgetender.cli.manifest_file import FILE, ManifestFile
from edgetender.cli.output import Exit, Session, options
from edgetender.cli.waiting import accepted, decided, finish, followed
from edgetender.errors import Problem


@click.command()
@options
@click.option("-f", "--file", type=FILE, required=True, help="A manifest; - for stdin.")
@click.option("--wait/--no-wait", default=True, help="Whether to wait until the version is accepted.")
@click.option("--timeout", type=click.FloatRange(0), default=600, show_default=True, metavar="SECONDS")
@click.pass_obj
def apply(session: Session, file: Path, wait: bool, timeout: float) -> Exit:
    """Apply a manifest."""
    began, client, manifest = time.monotonic(), session.client(), ManifestFile(file)
    with manifest.faults_located():
        delivery = client.post("/v1/apply", manifest.body())["delivery"]
    decision = decided(client, delivery)
    if decision is not None and decision["problems"]:
        manifest.say(Problem(one["path"], one["code"], one["message"]) for one in decision["problems"])

    def follow() -> tuple[Exit, str]:
        code, text = followed(client, accepted(decision["version"]), timeout)
        return code, f"{text}, {time.monotonic() - began:.1f} s" if code is Exit.OK else text

    return finish(session, "Applied", delivery, decision, follow if wait else None)
