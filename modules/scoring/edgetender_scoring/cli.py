"""`edgetender-scoring`: starts the server. Exit 0 after SIGTERM, 1 wrong arguments, 3 cannot serve."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from edgetender_scoring import __version__, cpus, fast_json, log, script, server
from edgetender_scoring.keys import KeysUnusable
from edgetender_scoring.providers import ModelUnusable
from edgetender_scoring.settings import Flags, Settings, SettingsInvalid, publish, read
from edgetender_scoring.tls import TlsUnusable

_USAGE, _UNUSABLE = 1, 3


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_help(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")  # the original exits with 1, not 2


def _parser() -> _Parser:
    parser = _Parser(prog="edgetender-scoring", description=__doc__, allow_abbrev=False)
    parser.add_argument("--entry_script", help="the script with init() and run()")
    parser.add_argument("--model_dir", help="where the script finds its model (AZUREML_MODEL_DIR)")
    parser.add_argument("--host", help="address to listen on (0.0.0.0)")
    parser.add_argument("--port", type=_port, help="port to listen on (5001; 0: any free one)")
    parser.add_argument(
        "--health_port", type=_port, help="second port for / (5000); see SEPERATE_HEALTH_ENDPOINT"
    )
    parser.add_argument(
        "--worker_count", type=_count, help="threads that call run() (1), or auto: one per usable CPU"
    )
    parser.add_argument("--config_file", help="config.json with the environment's names as keys")
    parser.add_argument("--access_control_allow_origins", help="comma list of origins, or *")
    parser.add_argument(
        "--appinsights_instrumentation_key", help="accepted, not used; see OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    parser.add_argument(
        "--rest", action="store_true", help=argparse.SUPPRESS
    )  # the original's, without effect
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:  # noqa: PLR2004  the range of TCP
        raise ValueError(text)
    return number


def _count(text: str) -> str:
    if text != "auto" and int(text) <= 0:
        raise ValueError(text)
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; return the exit code."""
    signal.signal(signal.SIGTERM, _leave)  # PID 1 of a container ignores what it does not handle
    given = _parser().parse_args(argv)
    flags = Flags(
        entry_script=given.entry_script,
        model_dir=given.model_dir,
        config_file=given.config_file,
        host=given.host,
        port=given.port,
        health_port=given.health_port,
        worker_count=given.worker_count,
        cors=given.access_control_allow_origins,
    )
    try:
        settings = read(flags, os.environ, Path.cwd())
    except SettingsInvalid as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE if error.usage else _UNUSABLE
    try:
        log.configure(
            settings.log_level, settings.root, *([settings.script.parent] if settings.script else [])
        )
    except (OSError, ValueError, TypeError, AttributeError, ImportError) as error:  # what dictConfig raises
        sys.stderr.write(f"cannot start: logging.json: {error}\n")
        return _UNUSABLE
    for key in settings.unknown_keys:
        logging.getLogger("edgetender_scoring").warning("config.json: %s is no known key", key)
    if settings.telemetry_asked or given.appinsights_instrumentation_key:
        logging.getLogger("edgetender_scoring").warning(
            "Application Insights is not served; OTEL_EXPORTER_OTLP_ENDPOINT names a collector for spans"
        )
    publish(settings)
    _bound_native_threads()
    sys.stdout = log.PrintedLines()
    try:
        _attach_debugger(settings.debug_port)
        if settings.fast_json:
            fast_json.install()
        free = server.serve(settings, None if settings.script is None else _loaded(settings, settings.script))
    except (script.ScriptUnusable, ModelUnusable, server.CannotListen, KeysUnusable, TlsUnusable) as error:
        logging.getLogger("edgetender_scoring").critical("cannot serve: %s", error)
        code, free = _UNUSABLE, settings.script is not None
    else:
        code = 0
    sys.stderr.flush()
    if not free:
        # a thread is stuck in the script, or a card's libraries hold models: the interpreter's own end would hang
        os._exit(code)
    return code


def _loaded(settings: Settings, path: Path) -> script.Script:
    return script.load(path, settings.root, settings.source, settings.model_dir, strict=settings.strict_input)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM while the script still loads: nothing was taken, nothing is lost."""
    raise SystemExit(0)


def _attach_debugger(port: int | None) -> None:
    """Wait for the debugger that listens on *port* (AZUREML_DEBUG_PORT). Raises ScriptUnusable without debugpy."""
    if port is None:
        return
    try:
        debugpy = importlib.import_module("debugpy")
    except ImportError as error:
        raise script.ScriptUnusable("AZUREML_DEBUG_PORT is set, and debugpy is not installed") from error
    debugpy.connect(port)
    debugpy.wait_for_client()


def _bound_native_threads() -> None:
    """Native libraries size their pools by the machine; in a container that is too many."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(cpus.usable()))
