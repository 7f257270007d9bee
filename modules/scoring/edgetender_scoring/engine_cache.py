"""Where are the engines kept that TensorRT builds of a model, and when are they thrown away?

They hold for one model, one runtime and one major of the driver, and take minutes to build. The runtime names them
by card and TensorRT version; one that still does not load would keep the model from ever serving.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edgetender_scoring.providers import ModelUnusable

log = logging.getLogger("edgetender_scoring")
T = TypeVar("T")

DRIVER = Path("/proc/driver/nvidia/version")  # the host's, also inside a container


def folder(cache: Path, model: Path, runtime: str, driver: Path = DRIVER) -> Path:
    """The model's own directory in *cache*; those of its other runtimes and drivers are removed."""
    digest = hashlib.sha256(model.read_bytes()).hexdigest()[:16]
    mine = cache / f"{digest}-{runtime}-{_major(driver)}"
    for stale in cache.glob(f"{digest}-*"):
        if stale != mine:
            log.info("engines of another driver or runtime are thrown away: %s", stale.name)
            shutil.rmtree(stale, ignore_errors=True)
    mine.mkdir(parents=True, exist_ok=True)
    return mine


def opened(attempt: Callable[[], T], cache: Path | None) -> T:
    """What *attempt* returns; where it raises ModelUnusable and engines were kept, it is made anew without them."""
    try:
        return attempt()
    except ModelUnusable as error:
        if cache is None or not any(cache.iterdir()):
            raise
        log.warning("the kept engines are thrown away, they may be at fault: %s", error)
        for kept in cache.iterdir():
            shutil.rmtree(kept) if kept.is_dir() else kept.unlink(missing_ok=True)
    return attempt()


def _major(driver: Path) -> str:
    try:
        text = driver.read_text(errors="replace")
    except OSError:
        return "none"
    found = re.search(r"^NVRM version:.*?\s(\d+)\.\d+", text, re.MULTILINE)
    return found[1] if found else "none"
