"""Writes the Grafana dashboards from the tables in boards/; a test compares what is there with what they say."""  # noqa: INP001

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # also where a test runs this file

from boards.device import DEVICE
from boards.fleet import FLEET
from boards.panel import Panel
from boards.scoring import SCORING

FOLDER = Path(__file__).parent / "grafana/dashboards"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 8, 7


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
    "scoring": (
        "edgetender-scoring",
        "edgetender: what is scored",
        SCORING,
        ("instance", "edgetender_scoring_info"),
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
