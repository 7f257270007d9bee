"""What is a panel made of?"""

from __future__ import annotations

from dataclasses import dataclass

ON = 'instance=~"$instance"'


@dataclass(frozen=True)
class Panel:
    """*queries* are (expression, legend); *kind* is Grafana's: stat, timeseries, table."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    says: str = ""
