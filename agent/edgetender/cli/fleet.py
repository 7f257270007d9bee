"""`edgetender fleet`: all devices of a broker at once."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from edgetender.cli.broker import broker_options, broker_settings
from edgetender.cli.output import Exit, options, say
from edgetender.clock import SystemClock


@click.group()
@options
def fleet() -> None:
    """Look at all devices of a broker at once."""


@fleet.command()
@broker_options()
@click.option(
    "--listen", default="127.0.0.1:9787", show_default=True, help="where Prometheus asks for /metrics"
)
def exporter(
    broker: str,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    username: str | None,
    listen: str,
) -> Exit:
    """Tell Prometheus how the whole fleet is, until it is ended.

    Listens to what devices report; needs the right to read edgetender/v1/+/+.
    """
    from edgetender.fleet.exporter import Fleet, Listener, server

    settings = broker_settings(broker, ca, certificate, key, username)
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise click.BadParameter(
            f"{listen!r} is no address; write it like 127.0.0.1:9787", param_hint="--listen"
        )
    found = Fleet(SystemClock())
    try:
        answering = server(found, host.strip("[]") or "127.0.0.1", int(port))
    except (OSError, OverflowError) as error:
        say(f"cannot listen on {listen}: {error}; choose another with --listen")
        return Exit.FAILED
    stopping = threading.Event()
    listener = Listener(settings, found, stopping, say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    threads = [
        threading.Thread(target=work, daemon=True) for work in (listener.work, answering.serve_forever)
    ]
    for thread in threads:
        thread.start()
    say(f"the fleet of {settings.endpoint} is at http://{host}:{answering.server_port}/metrics")
    while not stopping.wait(1.0):
        if not threads[0].is_alive():
            say("the listener ended unexpectedly")
            return Exit.FAILED
    listener.stop()
    answering.shutdown()
    answering.server_close()
    return Exit.OK
