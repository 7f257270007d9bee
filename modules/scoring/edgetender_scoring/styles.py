"""How does a request become the arguments of run()? One class per calling style of the contract."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import parse_qsl

from edgetender_scoring import azureml_names
from edgetender_scoring.message import Request

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class InputRefused(Exception):
    """The request is at fault, not the script; *status* is the answer's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class StyleUnusable(Exception):
    """The script asks for a calling style that cannot be given here."""


class Style(Protocol):
    """A calling style. *raw*: every method reaches run(), OPTIONS too."""

    raw: bool

    def arguments(self, request: Request) -> Arguments:
        """Return what run() is called with. Raises InputRefused. Any thread."""
        ...


class Text:
    """Undecorated: run() gets the body as text, on GET the query as a JSON string."""

    raw = False

    def arguments(self, request: Request) -> Arguments:
        if request.method != "POST":
            return (query_json(request.query),), {}
        try:
            return (request.body.decode("utf-8"),), {}
        except UnicodeDecodeError as error:
            raise InputRefused(400, f"Input cannot be decoded as UTF-8: {error}") from error


class RawHttp:
    """`@rawhttp`: run() gets the request itself, Flask's where the script has imported flask, else werkzeug's."""

    raw = True

    def __init__(self) -> None:
        if "flask" in sys.modules:
            self._request_class: Any = sys.modules["flask"].Request
            return
        try:
            from werkzeug.wrappers import Request as WerkzeugRequest
        except ImportError as error:
            raise StyleUnusable("@rawhttp needs werkzeug; add it to the environment") from error
        self._request_class = WerkzeugRequest

    def arguments(self, request: Request) -> Arguments:
        from edgetender_scoring.wsgi import environ

        return (self._request_class(environ(request)),), {}


class Fields:
    """`@input_schema`: run() gets the values of the JSON object, each as the argument of its name."""

    raw = False

    def __init__(self, run: Callable[..., Any]) -> None:
        parameters = inspect.signature(run).parameters.values()
        self._parameters = [one for one in parameters if one.name != "request_headers"]

    def arguments(self, request: Request) -> Arguments:
        given = query_values(request.query) if request.method != "POST" else _object(request)
        values: dict[str, Any] = {}
        for parameter in self._parameters:
            value = given.get(parameter.name, parameter.default)
            if value is parameter.empty:
                raise InputRefused(400, f"A value is not provided for the {parameter.name!r} parameter.")
            values[parameter.name] = value
        return (), values


def _object(request: Request) -> dict[str, Any]:
    if not _is_json(request.header(b"content-type")):
        raise InputRefused(415, "Expects Content-Type to be application/json")
    if not request.body:
        raise InputRefused(400, "POST body is empty. Expecting a JSON dictionary.")
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise InputRefused(400, f"POST body could not be decoded as JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputRefused(400, "POST body should be a JSON dictionary.")
    return given


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def style_of(run: Callable[..., Any]) -> Style:
    """Return the calling style *run* is decorated for. Raises StyleUnusable."""
    schema = sys.modules.get("inference_schema.schema_util")  # whoever decorates has imported it
    decorated = schema is not None and schema.is_schema_decorated(run)
    raw = azureml_names.rawhttp_is_used()
    if decorated and raw:
        raise StyleUnusable("run() cannot be decorated with both @rawhttp and @input_schema")
    if raw:
        return RawHttp()
    return Fields(run) if decorated else Text()


def flask_context() -> Callable[[Request], AbstractContextManager[Any]] | None:
    """What makes `flask.request` the request of this thread; None where the script has not imported flask."""
    flask = sys.modules.get("flask")
    if flask is None:
        return None
    from edgetender_scoring.wsgi import environ

    application = flask.Flask("edgetender_scoring")
    return lambda request: application.request_context(environ(request))


def check_signature(run: Callable[..., Any]) -> None:
    """Raise TypeError unless run() has the shape the contract asks for."""
    parameters = inspect.signature(run).parameters
    wrong = [
        name
        for name, parameter in parameters.items()
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    if wrong:
        raise TypeError(
            f"run() may not have positional-only, *args or **kwargs parameters: {', '.join(wrong)}"
        )
    if not parameters.keys() - {"request_headers"}:
        raise TypeError("run() takes no argument besides request_headers; it needs one for the input")


def query_json(query: bytes) -> str:
    """A query as a JSON object."""
    return json.dumps(query_values(query))


def query_values(query: bytes) -> dict[str, Any]:
    """A query as values: parsed as JSON where they are; a repeated key becomes a list. Raises InputRefused."""
    values: dict[str, Any] = {}
    repeated: set[str] = set()
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise InputRefused(400, "The query has more than 1000 fields.") from error
    for key, text in pairs:
        value = _value(text)
        if key not in values:
            values[key] = value
        elif key in repeated:
            values[key].append(value)
        else:
            values[key] = [values[key], value]
            repeated.add(key)
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
