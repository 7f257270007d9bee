"""`edgetender api-pipe`: the far side of `-H ssh://…`: what comes in goes to the agent's socket, and back."""

from __future__ import annotations

import os
import socket
import sys
import threading

import click

from edgetender.cli.output import Exit, Session

_CHUNK = 64 * 1024


@click.command(hidden=True)
@click.pass_obj
def pipe(session: Session) -> Exit:
    """Tie stdin and stdout to the agent's socket, until either side ends it."""
    with session.client().connected() as connection:
        coming = threading.Thread(target=_carry_in, args=(connection,), daemon=True)
        coming.start()
        out = sys.stdout.fileno()
        while said := connection.recv(_CHUNK):
            while said:
                said = said[os.write(out, said) :]
    return Exit.OK


def _carry_in(connection: socket.socket) -> None:
    """Whoever asks goes on listening after the last word; an end of what comes in means that nobody listens."""
    try:
        while asked := os.read(sys.stdin.fileno(), _CHUNK):
            connection.sendall(asked)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the agent was quicker
