"""Fixtures that every test may use: real parts, each started on first use by its own plugin."""

pytest_plugins = [
    "tests.services.engine",
    "tests.services.podman",
    "tests.services.broker",
    "tests.services.registry",
    "tests.services.front_image",
    "tests.services.packaged",
    "tests.services.hub",
    "tests.services.strangers",
    "tests.services.hub_device",
    "tests.services.hub_side",
]
