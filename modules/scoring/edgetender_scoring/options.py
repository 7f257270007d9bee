"""What was said of models, access and collected data? The server's own variables, `EDGETENDER_SCORING_…`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from edgetender_scoring import cpus
from edgetender_scoring.collector import Collect
from edgetender_scoring.drift import baseline_in
from edgetender_scoring.providers import POLICIES, Wanted
from edgetender_scoring.tls import Files

PREFIX = "EDGETENDER_SCORING_"
NAMES = frozenset(
    PREFIX + name
    for name in (
        "HOST", "BODY_LIMIT_MB", "GRACE_S", "IDLE_S", "STRICT_INPUT", "MODEL_CONTROL", "FAST_JSON",
        "ACCELERATOR", "PROVIDERS", "INTRA_OP_THREADS", "ARENA", "MAX_BATCH", "BATCH_WAIT_MS", "GPU_MEMORY_MB",
        "ENGINE_CACHE", "KEYS_FILE", "TLS_CERT", "TLS_KEY", "COLLECT_DIR", "COLLECT_SAMPLE", "COLLECT_MAX_MB",
        "SEND_STREAM", "SEND_SAMPLE", "BASELINE", "DRIFT_STREAM", "GOLDEN",
    )
) | {"EDGETENDER_MESSAGES"}  # fmt: skip
BASELINE = "edgetender-baseline.json"
_COMPARED_PER_S = 5.0  # a drift of hours needs no more, and scoring needs the CPU
_GOLDEN = ("report", "require")
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
    golden = said.get(f"{PREFIX}GOLDEN", "report").lower()
    if golden not in _GOLDEN:
        faults.append(f"{PREFIX}GOLDEN: {golden!r} is none of {', '.join(_GOLDEN)}")
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
        golden_required=golden == "require",
    )


def models_in(said: str | None, *bases: Path) -> Path | None:
    """Where models that need no entry script lie: *said*, as counted from the first of *bases* that has any."""
    for path in [base / said for base in bases] if said else []:
        if path.suffix == ".onnx" or (path.is_dir() and next(path.rglob("*.onnx"), None) is not None):
            return path
    return None


def tls(said: Mapping[str, str], faults: list[str]) -> Files | None:
    """The certificate and its key: both or none."""
    certificate, key = said.get(f"{PREFIX}TLS_CERT"), said.get(f"{PREFIX}TLS_KEY")
    if certificate and key:
        return Files(Path(certificate), Path(key))
    if certificate or key:
        faults.append(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY: both are needed, or none")
    return None


def collect(said: Mapping[str, str], root: Path, faults: list[str]) -> Collect | None:
    """What is to be collected; the original's switches, under both their names, turn it on too."""
    place = said.get(f"{PREFIX}COLLECT_DIR")
    if place is None and (
        is_true(said, "AML_MDC_STORAGE_ENABLED") or is_true(said, "AML_MODEL_DC_STORAGE_ENABLED")
    ):
        place = str(root / "modeldata")
    sample = number(f"{PREFIX}COLLECT_SAMPLE", said, faults, 1, 0, 1)
    most = int(number(f"{PREFIX}COLLECT_MAX_MB", said, faults, 100, 0.001) * 1_000_000)
    answers = is_true(said, "APP_INSIGHTS_LOG_RESPONSE_ENABLED", default=True)
    return Collect(Path(place), sample, most, answers) if place else None


def send(said: Mapping[str, str], faults: list[str]) -> Collect | None:
    """What is to be sent to the cloud, and by which socket."""
    stream, place = _stream(said, "SEND_STREAM", faults)
    sample = number(f"{PREFIX}SEND_SAMPLE", said, faults, 1, 0, 1)
    answers = is_true(said, "APP_INSIGHTS_LOG_RESPONSE_ENABLED", default=True)
    return Collect(place, sample, answers=answers, stream=stream) if stream else None


def drift(said: Mapping[str, str], root: Path, faults: list[str]) -> Collect | None:
    """What requests are compared with: the package's own baseline, where it has one. Reads it."""
    named = said.get(f"{PREFIX}BASELINE")
    stream, place = _stream(said, "DRIFT_STREAM", faults)
    path = root / (named or BASELINE)
    if named is None and not path.is_file():
        if stream:
            faults.append(f"{PREFIX}DRIFT_STREAM: the image has no baseline: package it with --baseline")
        return None
    try:
        baseline = baseline_in(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        faults.append(f"{PREFIX}BASELINE: {path} {error}")
        return None
    return Collect(place, answers=False, stream=stream, baseline=baseline, per_second=_COMPARED_PER_S)


def _stream(said: Mapping[str, str], name: str, faults: list[str]) -> tuple[str, Path]:
    """A stream's name, empty for none, and the socket that takes it."""
    stream, place = said.get(PREFIX + name, ""), said.get("EDGETENDER_MESSAGES", "")
    if stream and not place:
        faults.append(f"{PREFIX}{name}: the agent shows no socket; name the stream in the manifest: streams")
    return stream, Path(place)
