"""`edgetender daemon`: run the agent in the foreground, as systemd does."""

from __future__ import annotations

from pathlib import Path

import click

from edgetender.cli.output import Exit, say_problems
from edgetender.errors import ConfigInvalid


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="Instead of /etc/edgetender/config.toml.")
def daemon(config: Path | None) -> int:
    """Run the agent."""
    from edgetender.config import load

    try:
        settings = load(config)
    except ConfigInvalid as error:
        say_problems(error.problems)
        return Exit.CONFIG
    from edgetender.daemon import run

    return run(settings, config) or Exit.OK
