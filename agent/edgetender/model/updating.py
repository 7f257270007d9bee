"""What may a manifest say of how its version comes to the device?"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from edgetender.model.quantity import Seconds
from edgetender.model.wire import Wire


class Comparison(Wire):
    """What a new version answers to copies of live requests before it receives any."""

    requests: Annotated[int, Field(ge=1, le=10_000, strict=True)] = Field(
        200, description="so many answers are compared"
    )
    max_disagreement: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01,
        description="the share of them that may differ from the live ones; without an answer is different too",
    )
    max_p95_ratio: Annotated[float, Field(ge=1, le=100)] = Field(
        1.5, description="their 95th percentile may be so many times that of the live ones"
    )
    within: Seconds = Field(60.0, description="after this time what there is decides, also if it is nothing")
    tolerance: Annotated[float, Field(ge=0, le=1)] = Field(
        1e-6, description="numbers in JSON answers may differ by this, relatively; all else may not"
    )
    paths: tuple[Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9/._~-]{0,199}$")], ...] = Field(
        ("/score", "/v2/models"),
        min_length=1,
        max_length=16,
        description="GET and POST requests whose path begins so are copied: asking them twice must be harmless",
    )


class Update(Wire):
    """How a new version comes to the device, and when it counts as good."""

    settle: Seconds = Field(10.0, description="every module ready for this long makes the candidate accepted")
    strategy: Literal["switch", "recreate"] = Field(
        "switch",
        description="switch: the new container takes over from the old one when it is ready; "
        "recreate: the old one stops first",
    )
    shadow: Comparison | None = Field(
        None, description="behind a proxy: compare answers to copies of live requests before switching"
    )
    atomic: bool = Field(
        default=True,
        description="all modules or none: one that is no good takes the version back; false: it alone stays as it "
        "was, and the version is accepted without it",
    )
    now: bool = Field(
        default=False,
        description="wait for no maintenance window of the device and for no module that asks for time; what an "
        "operator holds waits all the same",
    )
