"""Which suites are collected here? Those over the Azure SDK only where it is: test_transport_azure.py runs them.

The SDK pins paho-mqtt below 2, so it has a folder of its own and a child process that sees it.
"""

from __future__ import annotations

from tests.services.far_side import has_azure_sdk

collect_ignore_glob = [] if has_azure_sdk() else ["test_transport_iothub*.py"]
