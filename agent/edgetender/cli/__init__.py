"""The command line: which commands there are, and how their ends become exit codes."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from edgetender import __version__
from edgetender.api.client import Answered, NotAllowed, Unreachable
from edgetender.cli.output import Exit, Session, options, say, say_causes, say_problems
from edgetender.errors import AgentError, NotFound, WithProblems

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# name -> (where it is, what it says of itself in the list), as the list shows them; imported only when it is called
SECTIONS = {
    "What runs here": {
        "status": ("status:status", "Show what runs on this device and why."),
        "watch": ("watch:watch", "Watch the device as it changes."),
        "logs": ("logs:logs", "Show a module's log."),
        "explain": ("explain:explain", "Show why a module runs as this variant."),
        "history": ("history:history", "List the versions this device has had, newest first."),
        "events": ("events:events", "List what happened here since the agent started."),
        "hardware": ("hardware:hardware", "Show the facts that variants are chosen by."),
        "check": ("check:check", "Check this device, and say what repairs it."),
        "support-bundle": (
            "support_bundle:support_bundle",
            "Gather what helps somebody else help; no secrets.",
        ),
        "hold": ("hold:hold", "Let nothing change here for a while."),
        "release": ("hold:release", "End a hold."),
        "config": ("config:config", "Show or check the agent's configuration files."),
    },
    "Change what runs here": {
        "plan": ("plan:plan", "Show what a manifest would change."),
        "apply": ("apply:apply", "Apply a manifest."),
        "validate": ("validate:validate", "Check manifests, and name every fault with its place."),
        "convert": ("convert:convert", "Make a manifest of an Azure IoT Edge deployment."),
        "restart": ("restart:restart", "Restart a module."),
        "rollback": ("rollback:rollback", "Return to an earlier version; needs no network."),
        "variant": ("variant:variant", "Say which variant a module runs as."),
        "facts": ("facts:facts", "Save what variants are chosen by."),
    },
    "Models and images": {
        "model": ("model:model", "Register models, list them and get them back."),
        "package": ("package:package", "Package a model into an image that serves it."),
        "image": ("image:image", "Look into images, send them, and remove them."),
        "build": ("build:build", "Build a Dockerfile, and push the image."),
        "images": ("images:images", "List the images that are here."),
        "pull": ("images:pull", "Bring an image here, and give it to the container engine."),
        "run": ("images:run", "Start an image in the container engine of this machine."),
        "registry": ("registry:registry", "Log in to image registries."),
    },
    "Fleets and trust": {
        "push": ("push:push", "Publish a manifest to a device."),
        "fleet": ("fleet:fleet", "Look at all devices of a broker or a hub at once."),
        "hub": ("hub:hub", "Stand in for an Azure IoT Hub, to try things with."),
        "init": ("trust:init", "Make this device take signed manifests only."),
        "trust": ("trust:trust", "Show or renew whose word this device takes."),
        "keys": ("keys:keys", "Make, renew and revoke the keys that devices trust."),
        "sign": ("sign:sign", "Sign a manifest for some devices."),
        "verify": ("sign:verify", "Check the signatures on a manifest."),
    },
    "The program": {
        "daemon": ("daemon:daemon", "Run the agent."),
        "completion": ("completion:completion", "Print the script that completes commands in a shell."),
        "version": ("version:version", "Print the version."),
    },
}
HIDDEN = {"api-pipe": "pipe:pipe"}  # for other programs
COMMANDS = {name: said for section in SECTIONS.values() for name, said in section.items()}


class _Lazy(click.Group):
    """A group that knows its commands' names without importing them; click dictates the signatures."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = HIDDEN.get(cmd_name) or COMMANDS.get(cmd_name, ("", ""))[0]
        if not place:
            return None
        module, name = place.split(":")
        command: click.Command = getattr(import_module(f"edgetender.cli.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and args[0][:1] != "-" and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {near[0]!r}" if near else "edgetender --help lists them"
            ctx.fail(f"no such command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        widest = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), summary) for name, (_, summary) in section.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `… | head`: the reader has seen enough; click would call it a failure
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return Exit.OK

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        known = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return known + click.Command.shell_complete(self, ctx, incomplete)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@options
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Tend machine-learning models on this device."""


def main() -> None:
    """Run the command line of this process."""
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a module's words may hold what this terminal's encoding cannot
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:], Session()))


def run(words: Sequence[str], session: Session) -> int:
    """Run one command and return its exit code; what went wrong is said on stderr."""
    try:
        return _code(cli.main(list(words), "edgetender", standalone_mode=False, obj=session))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return Exit.INTERRUPTED
    except AgentError as error:
        code = _told(error)
        if session.verbose:
            say_causes(error)
        return code
    except OSError as error:  # a disk that is full, a file that went away meanwhile
        say(f"cannot go on: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        return Exit.FAILED


def _told(error: AgentError) -> Exit:
    problems = error.problems if isinstance(error, WithProblems | Answered) else ()
    if problems:
        say_problems(problems)
    else:
        say(str(error))
    match error:
        case Unreachable():
            return Exit.UNREACHABLE
        case NotAllowed():
            return Exit.PERMISSION
        case NotFound() | Answered(status=404):
            return Exit.NOT_FOUND
        case WithProblems() | Answered(status=400 | 413):
            return Exit.INVALID
        case _:
            return Exit.FAILED


def _code(returned: Any) -> int:
    return int(returned) if isinstance(returned, int) else Exit.OK
