"""What does `startupOrder` come to here? Each module waits for those of the order before its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgetender.convert.findings import Findings

_LAST = 2**32 - 1  # of a module that names none (docs: "defaults to max")
_MOST = 32  # dependencies of a module


def put_in_order(
    entries: dict[str, dict[str, Any]], documents: Mapping[str, Any], path: str, findings: Findings
) -> None:
    """Give *entries* (by their names here) the `depends_on` that *documents* (by theirs there) ask for."""
    orders, written = {}, {}
    for original, document in documents.items():
        order = document.get("startupOrder") if isinstance(document, dict) else None
        if not isinstance(order, int) or isinstance(order, bool):
            order = None
        elif original.lower() in entries:
            written[original] = order
        if original.lower() in entries:
            orders[original.lower()] = _LAST if order is None else order
    steps = sorted(set(orders.values()))
    for name, order in orders.items():
        place = steps.index(order)
        before = sorted(other for other, its in orders.items() if place and its == steps[place - 1])
        if before:
            entries[name]["depends_on"] = before[:_MOST]
    for original in written:
        waits = ", ".join(entries[original.lower()].get("depends_on", ()))
        why = (
            f"starts when {waits} can serve"
            if waits
            else "starts first; those after it wait until it can serve"
        )
        findings.note(f"{path}{original}.startupOrder", "iotedge.order", why)
