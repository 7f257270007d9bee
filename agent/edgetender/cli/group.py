"""What can be done with this kind of thing? A command of commands, whose help says each one's whole first sentence."""

from __future__ import annotations

import click


class Group(click.Group):
    """click would cut a sentence at the end of its line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, self.commands[name].get_short_help_str(limit=1000))
                    for name in self.list_commands(ctx)
                ]
            )
