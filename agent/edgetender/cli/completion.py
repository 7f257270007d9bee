"""`edgetender completion SHELL`: what makes a shell complete commands, options and the names of modules."""

from __future__ import annotations

import click

from edgetender.cli.output import Exit, Session
from edgetender.errors import AgentError

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> Exit:
    """Print the script that completes commands in a shell.

    bash: source <(edgetender completion bash), in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit.
    fish: edgetender completion fish > ~/.config/fish/completions/edgetender.fish.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    root = context.find_root()
    if found is None:  # click knows all three
        raise click.BadParameter(f"{shell!r} is unknown here")
    script = found(root.command, {}, str(root.info_name), "_EDGETENDER_COMPLETE")
    click.echo(script.source_template % script.source_vars())
    return Exit.OK


def check_ids(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """The checks there are, for the word being typed."""
    from edgetender.checks import CHECKS

    return [name for one in CHECKS if (name := one.replace("_", "-")).startswith(incomplete)]


def versions(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The versions in the history of the agent that runs here, newest first; none where no agent answers."""
    session = context.find_object(Session) or Session()
    try:
        found = [str(one["name"]) for one in session.client().document("/v1/history")["versions"]]
    except AgentError:
        return []
    return [one for one in found if one.startswith(incomplete)]


def module_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The modules of the agent that runs here, for the word being typed; none where no agent answers."""
    session = context.find_object(Session) or Session()
    try:
        names = [str(module["name"]) for module in session.client().status()["modules"]]
    except AgentError:
        return []
    return [name for name in names if name.startswith(incomplete)]
