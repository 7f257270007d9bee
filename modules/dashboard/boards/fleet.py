"""What is shown of all devices, by `edgetender fleet serve`."""

from __future__ import annotations

from boards.panel import Panel

_THERE = 'device=~"$device"'

FLEET = (
    Panel(
        "Devices online",
        "short",
        (
            ("sum(edgetender_fleet_device_online)", "online"),
            ("count(edgetender_fleet_device_online)", "known"),
        ),
        "stat",
    ),
    Panel(
        "Devices by health",
        "short",
        (("count by (health) (edgetender_fleet_device_health == 1)", "{{health}}"),),
        "stat",
    ),
    Panel("Broker", "bool_on_off", (("edgetender_fleet_broker_connected", "connected"),), "stat"),
    Panel(
        "Devices by accepted version",
        "short",
        (('count_values("version", edgetender_fleet_accepted_version)', "{{version}}"),),
        says="How far a rollout has come.",
    ),
    Panel(
        "Devices by what became of the newest manifest",
        "short",
        (('count_values("code", edgetender_fleet_desired_status)', "{{code}}"),),
        says="200 running, 406 applying, 417 taken back, other 4xx refused.",
    ),
    Panel(
        "Not where they should be",
        "none",
        (
            (
                f"edgetender_fleet_desired_version{{{_THERE}}} - edgetender_fleet_accepted_version{{{_THERE}}}",
                "{{device}}",
            ),
        ),
        "table",
    ),
    Panel(
        "Worst first",
        "short",
        ((f"edgetender_fleet_device_health{{{_THERE}}} == 1", "{{device}} {{health}}"),),
        "table",
    ),
    Panel(
        "Modules by state",
        "short",
        (
            (
                f"count by (module, state) (edgetender_fleet_module_state{{{_THERE}}} == 1)",
                "{{module}} {{state}}",
            ),
        ),
        "table",
    ),
    Panel(
        "Modules that are ready",
        "short",
        ((f"sum by (module) (edgetender_fleet_module_ready{{{_THERE}}})", "{{module}}"),),
    ),
    Panel("Agents", "short", (("count by (agent) (edgetender_fleet_agent_info)", "{{agent}}"),), "stat"),
    Panel(
        "Last heard", "s", ((f"time() - edgetender_fleet_heard_timestamp_seconds{{{_THERE}}}", "{{device}}"),)
    ),
)
