"""What was the server told? Command line before environment before `config.json`; all faults at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgetender_scoring import options, trace
from edgetender_scoring.collector import Collect
from edgetender_scoring.options import PREFIX, is_true, number
from edgetender_scoring.providers import Wanted
from edgetender_scoring.tls import Files

_CONTRACT = frozenset(
    {
        "AML_APP_ROOT", "AZUREML_SOURCE_DIRECTORY", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR",
        "SERVICE_NAME", "SERVICE_VERSION", "SERVICE_PATH_PREFIX", "WORKSPACE_NAME", "HOSTNAME",
        "SCORING_TIMEOUT_MS", "AZUREML_LOG_LEVEL", "AML_APP_INSIGHTS_ENABLED", "AML_APP_INSIGHTS_KEY",
        "APP_INSIGHTS_LOG_RESPONSE_ENABLED", "AML_MDC_STORAGE_ENABLED", "AML_MODEL_DC_STORAGE_ENABLED",
        "AML_CORS_ORIGINS", "AZUREML_DEBUG_PORT", "WORKER_COUNT", "WORKER_TIMEOUT", "WORKER_PRELOAD",
        "SERVER_VERSION_LOG_RESPONSE_ENABLED", "SEPERATE_HEALTH_ENDPOINT", "AZUREML_CONFIG_FILE",
    }
)  # fmt: skip
KNOWN = _CONTRACT | options.NAMES | trace.NAMES
_DEFAULT_SCRIPT = "main.py"


class SettingsInvalid(Exception):
    """The settings cannot be used; the text names every fault. *usage*: the command line is at fault."""

    def __init__(self, faults: list[str], *, usage: bool = False) -> None:
        super().__init__("cannot start: " + "; ".join(faults))
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the server needs to know, checked. Times are seconds, sizes bytes."""

    root: Path
    script: Path | None
    """None: models without one, in *models_at*."""
    source: Path | None
    model_dir: str | None
    host: str
    port: int
    health_port: int | None
    threads: int | None
    """None: one per usable CPU."""
    threads_said: bool
    models_at: Path | None
    """Where models without an entry script lie."""
    models: Wanted
    batch_wait_s: float
    timeout_ms: int
    body_limit: int
    grace_s: float
    idle_s: float
    cors_origins: str
    log_level: str
    says_version: bool
    service_name: str
    service_version: str
    path_prefix: str
    debug_port: int | None
    strict_input: bool
    fast_json: bool
    model_control: bool
    telemetry_asked: bool
    keys: Path | None
    tls: Files | None
    collect: Collect | None
    send: Collect | None
    drift: Collect | None
    tracing: trace.Tracing | None
    unknown_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line, as given; None where it says nothing."""

    entry_script: str | None = None
    model_dir: str | None = None
    config_file: str | None = None
    host: str | None = None
    port: int | None = None
    health_port: int | None = None
    worker_count: str | None = None
    cors: str | None = None


def read(flags: Flags, environ: Mapping[str, str], cwd: Path) -> Settings:
    """Return the settings. Reads config.json and a baseline, nothing else. Raises SettingsInvalid with all faults."""
    faults: list[str] = []
    root = Path(environ.get("AML_APP_ROOT") or cwd)
    file = _config_file(flags, environ, root, cwd)
    written = _load(file, faults) if file else {}
    known = {key: value for key, value in written.items() if key in KNOWN}
    said = {**known, **{key: environ[key] for key in KNOWN if environ.get(key)}}
    root = Path(said.get("AML_APP_ROOT") or root)
    model_dir = str((cwd / flags.model_dir).resolve()) if flags.model_dir else said.get("AZUREML_MODEL_DIR")
    script = _script(flags, said, root, cwd)
    models_at = options.models_in(model_dir, cwd, root) if script is None else None
    if script is None and models_at is None:
        what = "neither --entry_script nor --config_file is given, and no --model_dir with a model"
        raise SettingsInvalid([what], usage=True)
    source = said.get("AZUREML_SOURCE_DIRECTORY")
    threads = flags.worker_count or said.get("WORKER_COUNT")
    separate = is_true(said, "SEPERATE_HEALTH_ENDPOINT")
    settings = Settings(
        root=root,
        script=script,
        source=root / source if source else None,
        model_dir=model_dir,
        host=flags.host or said.get(f"{PREFIX}HOST", "0.0.0.0"),  # noqa: S104  a container's port
        port=5001 if flags.port is None else flags.port,
        health_port=(flags.health_port or 5000) if separate else None,
        threads=None if threads == "auto" else _threads(threads, faults),
        threads_said=threads is not None,
        models_at=models_at,
        models=options.models(said, faults),
        batch_wait_s=number(f"{PREFIX}BATCH_WAIT_MS", said, faults, 0, 0, 1000) / 1e3,
        timeout_ms=int(number("SCORING_TIMEOUT_MS", said, faults, 3_600_000, 1)),
        body_limit=int(number(f"{PREFIX}BODY_LIMIT_MB", said, faults, 100, 0.001) * 1_000_000),
        grace_s=number(f"{PREFIX}GRACE_S", said, faults, 8, 0.001),  # below the 10 s docker stop waits
        idle_s=number(f"{PREFIX}IDLE_S", said, faults, 75, 0.001),
        cors_origins=flags.cors if flags.cors is not None else said.get("AML_CORS_ORIGINS", ""),
        log_level=said.get("AZUREML_LOG_LEVEL", "INFO"),
        says_version=is_true(said, "SERVER_VERSION_LOG_RESPONSE_ENABLED", default=True),
        service_name=said.get("SERVICE_NAME", "ML service"),
        service_version=said.get("SERVICE_VERSION", "1.0"),
        path_prefix=said.get("SERVICE_PATH_PREFIX", ""),
        debug_port=int(number("AZUREML_DEBUG_PORT", said, faults, 0, 1, 65535)) or None,
        strict_input=is_true(said, f"{PREFIX}STRICT_INPUT"),
        fast_json=is_true(said, f"{PREFIX}FAST_JSON"),
        model_control=is_true(said, f"{PREFIX}MODEL_CONTROL"),
        telemetry_asked=is_true(said, "AML_APP_INSIGHTS_ENABLED"),
        keys=Path(said[f"{PREFIX}KEYS_FILE"]) if f"{PREFIX}KEYS_FILE" in said else None,
        tls=options.tls(said, faults),
        collect=options.collect(said, root, faults),
        send=options.send(said, faults),
        drift=options.drift(said, root, faults),
        tracing=trace.tracing(said, said.get("SERVICE_NAME", "edgetender-scoring"), faults),
        unknown_keys=tuple(sorted(written.keys() - KNOWN)),
    )
    if faults:
        raise SettingsInvalid(faults)
    return settings


def _config_file(flags: Flags, environ: Mapping[str, str], root: Path, cwd: Path) -> Path | None:
    named = flags.config_file or environ.get("AZUREML_CONFIG_FILE")
    if named and not _is_empty(cwd / named):
        return cwd / named
    scripts = [root / "config.json"]
    if entry := flags.entry_script or environ.get("AZUREML_ENTRY_SCRIPT"):
        scripts.append((cwd / entry if flags.entry_script else root / entry).parent / "config.json")
    return next((path for path in scripts if path.is_file() and not _is_empty(path)), None)


def _is_empty(file: Path) -> bool:
    """An empty file counts as none; one that is not there was meant, and is a fault."""
    return file.is_file() and file.stat().st_size == 0


def _load(file: Path, faults: list[str]) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8")
        found: Any = json.loads(text) if text.strip() else {}
    except (OSError, ValueError) as error:
        faults.append(f"{file}: {error}")
        return {}
    if not isinstance(found, dict):
        faults.append(f"{file}: expects an object of variable names and values")
        return {}
    return {key: _as_text(value) for key, value in found.items() if value is not None}


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _script(flags: Flags, said: Mapping[str, str], root: Path, cwd: Path) -> Path | None:
    """The entry script: a path on the command line counts from here, one in the environment from the root."""
    if flags.entry_script:
        here = (cwd / flags.entry_script).resolve()
        return here if here.exists() else root / flags.entry_script
    if named := said.get("AZUREML_ENTRY_SCRIPT"):
        return root / named
    return root / _DEFAULT_SCRIPT if (root / _DEFAULT_SCRIPT).is_file() else None


def _threads(text: str | None, faults: list[str]) -> int:
    return int(number("WORKER_COUNT", {} if text is None else {"WORKER_COUNT": text}, faults, 1, 1, 256))


def publish(settings: Settings) -> None:
    """Put into this process's environment what scripts of the contract read there."""
    os.environ.update(
        AML_APP_ROOT=str(settings.root),
        SERVER_PORT=str(settings.port),
        HEALTH_PORT=str(settings.health_port or settings.port),
    )
    if settings.script:
        os.environ["AZUREML_ENTRY_SCRIPT"] = str(settings.script)
    if settings.model_dir:
        os.environ["AZUREML_MODEL_DIR"] = settings.model_dir
