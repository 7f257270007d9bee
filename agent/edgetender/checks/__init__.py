"""Is this device fit for its work? One file per check, registered by one line below; a remedy for each finding.

The command line, the metric `edgetender_check_status`, the device page and the event `check.failed` all show
the same results.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgetender.checks.finding import Check

# the files with a CHECK, in the order they are shown
CHECKS = (
    "config_parse",
    "permissions",
    "trust_root",
    "docker_api",
    "docker_log_rotation",
    "disk_space",
    "disk_inodes",
    "storage",
    "safe_mode",
    "hardware",
    "dns",
    "proxy",
    "clock",
    "certificates",
    "upstream_tls",
    "link",
    "webhook",
    "registry_auth",
)


def all_checks() -> tuple[Check, ...]:
    """Every check; importing them brings no library along."""
    return tuple(import_module(f"edgetender.checks.{name}").CHECK for name in CHECKS)
