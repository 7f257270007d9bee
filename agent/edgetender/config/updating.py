"""When may new versions come to this device?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from edgetender.config import values
from edgetender.model.gate import Rules


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """When new versions may come. What runs is kept running at any time."""

    download_windows: Annotated[
        tuple[str, ...], values.windows, "when images may be fetched; none: always"
    ] = ()
    apply_windows: Annotated[
        tuple[str, ...], values.windows, "when an update may begin; one that has begun is finished"
    ] = ()
    holds: Annotated[
        Path | None,
        values.path,
        "a file in it by a module's name delays the module's update; absent: nothing there does",
    ] = Path("/run/edgetender/holds")
    delay_max_s: Annotated[
        float, values.seconds(0, 366 * 86400), "modules may delay one version for so long, all together"
    ] = 86400.0

    @property
    def rules(self) -> Rules:
        return Rules(
            tuple(map(values.window, self.download_windows)),
            tuple(map(values.window, self.apply_windows)),
            timedelta(seconds=self.delay_max_s),
        )
