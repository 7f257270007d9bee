"""Writes the Grafana dashboards from the tables below; `python modules/dashboard/generate.py`, and a test compares."""  # noqa: INP001

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "grafana/dashboards"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 8, 7
_ON = 'instance=~"$instance"'
_THERE = 'device=~"$device"'


@dataclass(frozen=True)
class Panel:
    """*queries* are (expression, legend); *kind* is Grafana's: stat, timeseries, table."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    says: str = ""


# queries are (expression, legend)
DEVICE = (
    Panel(
        "Health",
        "short",
        ((f"edgetender_health{{{_ON}}} == 1", "{{state}}"),),
        "stat",
        "The word that describes the device now.",
    ),
    Panel(
        "Version desired and accepted",
        "none",
        (
            (f"edgetender_desired_version{{{_ON}}}", "desired"),
            (f"edgetender_accepted_version{{{_ON}}}", "accepted"),
        ),
        "stat",
    ),
    Panel(
        "Upstream and engine",
        "bool_on_off",
        (
            (f"edgetender_upstream_connected{{{_ON}}}", "upstream"),
            (f"edgetender_engine_up{{{_ON}}}", "engine"),
        ),
        "stat",
    ),
    Panel(
        "Modules by state",
        "short",
        ((f"edgetender_module_state{{{_ON}}} == 1", "{{module}} {{state}}"),),
        "table",
    ),
    Panel(
        "Variants that run",
        "short",
        ((f"edgetender_module_variant{{{_ON}}}", "{{module}}: {{variant}}"),),
        "table",
    ),
    Panel(
        "Checks that do not pass",
        "short",
        ((f"edgetender_check_status{{{_ON}}}", "{{check}}"),),
        "table",
        "0 well, 1 a warning, 2 an error; edgetender check names what repairs it.",
    ),
    Panel(
        "Manifests refused",
        "short",
        ((f"increase(edgetender_manifests_refused_total{{{_ON}}}[$__range])", "{{reason}}"),),
        "table",
        "By the code of each reason; signature.… and …equivocation are alarms.",
    ),
    Panel(
        "CPU by module",
        "percentunit",
        ((f"rate(edgetender_container_cpu_seconds_total{{{_ON}}}[$__rate_interval])", "{{module}}"),),
        says="Of one core.",
    ),
    Panel("Memory by module", "bytes", ((f"edgetender_container_memory_bytes{{{_ON}}}", "{{module}}"),)),
    Panel(
        "Restarts",
        "short",
        ((f"increase(edgetender_module_restarts_total{{{_ON}}}[1h])", "{{module}}"),),
        says="In the last hour.",
    ),
    Panel(
        "Network by module",
        "Bps",
        (
            (f"rate(edgetender_container_received_bytes_total{{{_ON}}}[$__rate_interval])", "{{module}} in"),
            (f"rate(edgetender_container_sent_bytes_total{{{_ON}}}[$__rate_interval])", "{{module}} out"),
        ),
    ),
    Panel("Device CPU", "percentunit", ((f"edgetender_device_cpu_ratio{{{_ON}}}", "of all cores"),)),
    Panel(
        "Device memory",
        "bytes",
        (
            (f"edgetender_device_memory_available_bytes{{{_ON}}}", "available"),
            (f"edgetender_device_memory_total_bytes{{{_ON}}}", "total"),
        ),
    ),
    Panel(
        "Disk",
        "bytes",
        (
            (f"edgetender_device_disk_free_bytes{{{_ON}}}", "free"),
            (f"edgetender_device_disk_total_bytes{{{_ON}}}", "total"),
        ),
    ),
    Panel("Temperature", "celsius", ((f"edgetender_device_temperature_celsius{{{_ON}}}", "{{sensor}}"),)),
    Panel(
        "Outbox",
        "short",
        ((f"edgetender_outbox_messages{{{_ON}}}", "{{stream}}"),),
        says="Messages that wait to go up.",
    ),
    Panel("Oldest message", "s", ((f"edgetender_outbox_oldest_age_seconds{{{_ON}}}", "{{stream}}"),)),
    Panel(
        "Telemetry",
        "cps",
        (
            (f"rate(edgetender_outbox_accepted_total{{{_ON}}}[$__rate_interval])", "{{stream}} accepted"),
            (f"rate(edgetender_outbox_delivered_total{{{_ON}}}[$__rate_interval])", "{{stream}} delivered"),
        ),
    ),
    Panel(
        "Dropped",
        "short",
        ((f"increase(edgetender_outbox_dropped_total{{{_ON}}}[1h])", "{{stream}}: {{reason}}"),),
        says="In the last hour.",
    ),
    Panel("Agent", "bytes", ((f'process_resident_memory_bytes{{{_ON},job="edgetender"}}', "memory"),)),
    Panel("Cycles", "cps", ((f"rate(edgetender_cycles_total{{{_ON}}}[$__rate_interval])", "cycles"),)),
    Panel("Up since", "s", ((f"edgetender_uptime_seconds{{{_ON}}}", "uptime"),), "stat"),
)

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

BOARDS = {
    "device": (
        "edgetender-device",
        "edgetender: one device",
        DEVICE,
        ("instance", "edgetender_uptime_seconds"),
    ),
    "fleet": (
        "edgetender-fleet",
        "edgetender: the fleet",
        FLEET,
        ("device", "edgetender_fleet_device_online"),
    ),
}


def board(uid: str, title: str, panels: tuple[Panel, ...], chosen: tuple[str, str]) -> dict[str, Any]:
    label, metric = chosen
    return {
        "uid": uid,
        "title": title,
        "tags": ["edgetender"],
        "timezone": "browser",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
                {
                    "name": label,
                    "type": "query",
                    "datasource": _SOURCE,
                    "query": f"label_values({metric}, {label})",
                    "refresh": 2,
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": number + 1,
        "title": panel.title,
        "description": panel.says,
        "type": panel.kind,
        "datasource": _SOURCE,
        "gridPos": {
            "h": _HEIGHT,
            "w": _WIDTH,
            "x": number * _WIDTH % 24,
            "y": number * _WIDTH // 24 * _HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                **({"instant": True, "format": "table"} if panel.kind == "table" else {}),
            }
            for place, (expression, legend) in enumerate(panel.queries)
        ],
    }
    return found


def text(name: str) -> str:
    return json.dumps(board(*BOARDS[name]), indent=2) + "\n"


if __name__ == "__main__":
    for name in BOARDS:
        (FOLDER / f"{name}.json").write_text(text(name))
