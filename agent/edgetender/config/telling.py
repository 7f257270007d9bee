"""What is told of this device beside the upstream link's own, and to whom?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgetender.config import values

Text = Annotated[str, values.text]
Flag = Annotated[bool, values.flag]
MaybePlace = Annotated[Path | None, values.path]


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """The figures of the device and of its containers; with otlp, every metric goes to a collector as well."""

    interval_s: Annotated[float, values.seconds(0.1), "between two samples"] = 60.0
    report: Annotated[
        str,
        values.one_of("changes", "all"),
        "which samples go up: those in which a figure moved far, or each",
    ] = "changes"
    heartbeat_s: Annotated[float, values.seconds(1), "without a change, one goes up so often"] = 3600.0
    azure_labels: Annotated[
        Flag, "metrics have IoT Edge's labels too: iothub, edge_device and instance_number"
    ] = False
    otlp: Annotated[
        str,
        values.url(r"(https?://[^/?#@\s]+)?", "URL of a collector"),
        "https://collector.example:4318; an extra",
    ] = ""
    otlp_credential: Annotated[Text, "whose username and password the collector asks for (Basic)"] = ""
    otlp_ca: Annotated[MaybePlace, "the collector's authorities (PEM); else the system's"] = None


@dataclass(frozen=True, slots=True)
class EventsSettings:
    """Each event of this device goes upstream; with a webhook, to a service of one's own as well, as JSON.

    What is on its way upstream survives a restart. So does what a webhook that is away has not taken: it waits in
    webhook.db for a week, the newest 1 MiB of it, counted as the stream `webhook`.
    """

    webhook: Annotated[
        str,
        values.url(r"(https?://[^/?#@\s]+(/[^?#\s]*)?)?", "URL without a query"),
        "https://hooks.example/line3; each event is posted there, in its order",
    ] = ""
    webhook_credential: Annotated[Text, "whose username and password it asks for (Basic)"] = ""
    webhook_ca: Annotated[MaybePlace, "its authorities (PEM); else the system's"] = None
