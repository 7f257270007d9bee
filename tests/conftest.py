"""Fixtures that every test may use: real parts, each started on first use by its own plugin.

Where several processes share the work (`./run test`), a file's tests stay together, and so do all that publish the
port of the documents and the demo: one machine has it once.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

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

# a machine that others use as well is slow at times, and that is no fault of what is tested
settings.register_profile(
    "shared", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared")

FIXED_PORT = (
    "tests/system/",
    "tests/contracts/test_packaging_documents.py",
    "tests/contracts/test_packaging_engine.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(FIXED_PORT))  # they take longest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By file, in order; what is marked as a group would be split by pytest 9.2 with xdist 3.8, which loses the mark."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "the port" if nodeid.startswith(FIXED_PORT) else nodeid.partition("::")[0]

    return Together(config, log)
