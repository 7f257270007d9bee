"""What does the entry script say to a request? It turns requests into outcomes, on any thread."""

from __future__ import annotations

import importlib.util
import inspect
import logging
import math
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from edgetender_scoring import azureml_names, styles
from edgetender_scoring.message import HTML, Request, sendable, to_json
from edgetender_scoring.outcome import IN_SCRIPT, IN_SERVER, Outcome, message

log = logging.getLogger("edgetender_scoring")


class ScriptUnusable(Exception):
    """The entry script cannot be loaded, has no proper init() or run(), or its init() failed."""


class Script:
    """An entry script whose init() has run. `call` may be used by several threads at once.

    *strict*: input that breaks the declared schema is the client's fault (400), not a failing script (500).
    """

    batch = 1

    def __init__(self, run: Callable[..., Any], *, strict: bool = False) -> None:
        self.run = self._run = run
        self._code = getattr(inspect.unwrap(run), "__code__", None) if strict else None
        self.style = styles.style_of(run)
        self._context = styles.flask_context()
        self._wants_headers = "request_headers" in inspect.signature(run).parameters and not self.style.raw

    def takes_s(self, _request: Request) -> float:
        return math.inf  # what a script does is known to nobody, and health answers whatever it is

    def call(self, request: Request) -> Outcome:
        """Score *request*. Never raises an Exception: a failing script is an outcome too."""
        if self._context is None:
            return self._call(request)
        with self._context(request):
            return self._call(request)

    def _call(self, request: Request) -> Outcome:
        try:
            positional, named = self.style.arguments(request)
        except styles.InputRefused as refusal:
            return message(refusal.status, str(refusal))
        if self._wants_headers:
            named["request_headers"] = header_dict(request.headers)
        begun = time.perf_counter()
        try:
            result = self._run(*positional, **named) if named else self._run(*positional)
        except Exception as error:
            log.exception("run() raised")
            if self._code is not None and not _entered(self._code, error):
                return message(400, f"The input does not match the schema: {error}")
            return message(500, IN_SCRIPT, failed=True)
        except SystemExit:
            log.exception("run() tried to end the process")
            return message(500, IN_SCRIPT, failed=True)
        exec_ms = (time.perf_counter() - begun) * 1e3
        try:
            return _outcome(result, exec_ms)
        except Exception:
            log.exception("run() returned what cannot be sent")
            return message(500, IN_SERVER)

    def call_many(self, requests: Sequence[Request]) -> list[Outcome]:
        return [self.call(request) for request in requests]

    def stop(self, _thread: int) -> bool:
        return False  # Python and the native code under it know no way


def _entered(code: CodeType, error: Exception) -> bool:
    """Whether *error* was raised in or under the function of that *code*; if not, a decorator raised it."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is code for frame, _ in frames)


def _outcome(result: Any, exec_ms: float) -> Outcome:
    if hasattr(result, "get_data") and hasattr(result, "status_code"):  # AMLResponse, Flask's, werkzeug's
        return _own_answer(result, exec_ms)
    return Outcome(200, b"{}" if result is None else to_json(result), exec_ms=exec_ms)


def _own_answer(answer: Any, exec_ms: float) -> Outcome:
    given = answer.headers
    pairs = [(str(n), str(v)) for n, v in (given.items() if isinstance(given, Mapping) else list(given))]
    types = [value for name, value in pairs if name.lower() == "content-type"]
    headers = tuple(
        (name, value)
        for name, value in pairs
        if name.lower() not in {"content-type", "content-length", "transfer-encoding", "connection", "date"}
    )
    content_type = types[0] if types else getattr(answer, "mimetype", HTML)
    status = int(answer.status_code)
    if not 200 <= status < 600:  # noqa: PLR2004  the range of HTTP
        raise ValueError(f"status {status} cannot be sent")
    for name, value in (*headers, ("content-type", content_type)):
        if not sendable(name, value):
            raise ValueError(f"header {name!r} cannot be sent")
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or bool(getattr(answer, "run_function_failed", False))
    return Outcome(status, bytes(answer.get_data()), content_type, headers, failed=failed, exec_ms=exec_ms)


def header_dict(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers as scripts know them: `Content-Type`, not `content-type`; repeated ones joined by commas."""
    named: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").title(), raw_value.decode("latin-1")
        named[name] = f"{named[name]},{value}" if name in named else value
    return named


def load(
    path: Path, root: Path, source: Path | None, model_dir: str | None, *, strict: bool = False
) -> Script:
    """Import the script, check it and run its init(). Raises ScriptUnusable with the reason, logged."""
    azureml_names.install()
    for place in filter(None, (path.parent, root, source)):
        if str(place) not in sys.path:
            sys.path.append(str(place))
    module = _import(path)
    driver = getattr(module, "driver_module", module)  # main.py of older images wraps the user's script
    init, run = getattr(module, "init", None), getattr(driver, "run", None)
    missing = [name for name, found in (("init", init), ("run", run)) if not callable(found)]
    if missing or not callable(init) or not callable(run):
        raise ScriptUnusable(f"{path}: no {'() and no '.join(missing)}()")
    try:
        styles.check_signature(run)
    except TypeError as error:
        raise ScriptUnusable(f"{path}: {error}") from error
    try:
        init()
    except (Exception, SystemExit) as error:
        log.exception("init() raised")
        _list(model_dir)
        raise ScriptUnusable(f"{path}: init() raised {type(error).__name__}: {error}") from error
    try:
        return Script(run, strict=strict)
    except styles.StyleUnusable as error:
        raise ScriptUnusable(f"{path}: {error}") from error


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ScriptUnusable(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        log.exception("the entry script does not import")
        raise ScriptUnusable(f"{path}: does not import: {type(error).__name__}: {error}") from error
    return module


def _list(model_dir: str | None, at_most: int = 200) -> None:
    """Log what is in the model directory: the usual reason for a failing init() is a wrong path."""
    if model_dir is None:
        return
    found = sorted(str(path) for path in Path(model_dir).rglob("*"))
    log.error("model directory %s holds %d entries:\n%s", model_dir, len(found), "\n".join(found[:at_most]))
