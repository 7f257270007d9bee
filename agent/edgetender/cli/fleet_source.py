"""Who says how the fleet is: a broker, or an Azure IoT Hub?"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import click

from edgetender.cli.broker import Broker

if TYPE_CHECKING:
    from edgetender.fleet.devices import Fleet
    from edgetender.fleet.hub_service import HubService

CONNECTION = "EDGETENDER_HUB_CONNECTION"
hub_option = click.option(
    "--hub", envvar="EDGETENDER_HUB", show_envvar=True, metavar="ADDRESS",
    help=f"Instead of a broker: https://NAME.azure-devices.net; {CONNECTION} holds the connection string of a policy.",
)  # fmt: skip


class Hearing(Protocol):
    """*works* is False once it ended by a fault of its own."""

    @property
    def works(self) -> bool: ...


def hub_service(address: str) -> HubService:
    """The hub at *address*, as whom the environment says. Raises ConfigInvalid."""
    from edgetender.fleet.hub_service import HubService, policy_in

    connection = os.environ.get(CONNECTION)
    return HubService(address, policy_in(connection) if connection else None)


def heard(
    broker: Broker | None,
    hub: str | None,
    fleet: Fleet,
    say: Callable[[str], None],
) -> tuple[AbstractContextManager[Hearing], str]:
    """What keeps *fleet* up to date within a `with` block, and its address. Raises ConfigInvalid."""
    if hub is not None:
        from edgetender.fleet.polling import Poller

        service = hub_service(hub)
        return Poller(service, fleet, say), service.endpoint
    if broker is None:
        raise click.UsageError("name where devices report: a --broker, or a --hub")
    from edgetender.fleet.listening import Listener

    return Listener(broker, fleet, say), broker.endpoint
