"""What was said of models, access and collected data? The server's own variables, `EDGETENDER_SCORING_…`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgetender_scoring import cpus
from edgetender_scoring.providers import POLICIES, Wanted

PREFIX = "EDGETENDER_SCORING_"
NAMES = frozenset(
    PREFIX + name
    for name in (
        "HOST", "BODY_LIMIT_MB", "GRACE_S", "IDLE_S", "STRICT_INPUT", "FAST_JSON",
        "ACCELERATOR", "PROVIDERS", "INTRA_OP_THREADS", "ARENA", "MAX_BATCH", "BATCH_WAIT_MS", "GPU_MEMORY_MB",
        "ENGINE_CACHE",
    )
)  # fmt: skip
_SMALL_BYTES = 2 << 30  # with less memory the arena is off: it keeps what the largest request once took


def number(
    name: str, said: Mapping[str, str], faults: list[str], default: float, least: float, most: float = 1e12
) -> float:
    """Return the number under *name*; what is none goes to *faults*."""
    text = said.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        faults.append(f"{name}: {text!r} is no number from {least:g} to {most:g}")
        return least
    return value


def is_true(said: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    return said[name].lower() == "true" if name in said else default


def models(said: Mapping[str, str], faults: list[str]) -> Wanted:
    """How models without an entry script are to be run."""
    policy = said.get(f"{PREFIX}ACCELERATOR", "cpu").lower()
    if policy not in POLICIES:
        faults.append(f"{PREFIX}ACCELERATOR: {policy!r} is none of {', '.join(POLICIES)}")
        policy = "cpu"
    providers = tuple(part for part in said.get(f"{PREFIX}PROVIDERS", "").split(",") if part.strip())
    threads = int(number(f"{PREFIX}INTRA_OP_THREADS", said, faults, 0, 0, 1024))
    gpu_mb = number(f"{PREFIX}GPU_MEMORY_MB", said, faults, 0, 0)
    cache = said.get(f"{PREFIX}ENGINE_CACHE")
    memory = cpus.memory()
    return Wanted(
        policy=policy,
        providers=providers,
        cpus=cpus.usable(),
        threads=threads or None,
        arena=is_true(said, f"{PREFIX}ARENA", default=memory is None or memory > _SMALL_BYTES),
        max_batch=int(number(f"{PREFIX}MAX_BATCH", said, faults, 1, 1, 4096)),
        gpu_memory=int(gpu_mb * 1_000_000) or None,
        engine_cache=Path(cache) if cache else None,
    )


def holds_models(place: str | None) -> bool:
    """Whether *place* has a model that needs no entry script."""
    if place is None:
        return False
    path = Path(place)
    return path.suffix == ".onnx" or (path.is_dir() and next(path.rglob("*.onnx"), None) is not None)
