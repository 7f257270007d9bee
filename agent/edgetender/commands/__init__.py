"""What may be asked of a device from upstream: methods of an IoT Hub, commands over MQTT."""

from __future__ import annotations

from edgetender.api.house import House
from edgetender.clock import Clock
from edgetender.commands.answering import DeviceCommands
from edgetender.commands.once import Once
from edgetender.commands.uploads import Uploads
from edgetender.config.settings import Settings


def commands_of(house: House, settings: Settings, clock: Clock) -> DeviceCommands:
    """The commands of this device; support bundles ask the agent by its own socket."""
    once = Once(settings.state_dir / "commands.json")
    return DeviceCommands(house, settings.device, Uploads(settings, clock), clock, once)
