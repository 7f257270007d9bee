"""How does a request become the arguments of run()? One class per calling style of the contract."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
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
    """`@rawhttp`: run() gets the request itself, as werkzeug's request object (Flask's is the same)."""

    raw = True

    def __init__(self) -> None:
        try:
            from werkzeug.wrappers import Request as WerkzeugRequest
        except ImportError as error:
            raise StyleUnusable("@rawhttp needs werkzeug; add it to the environment") from error
        self._request_class = WerkzeugRequest

    def arguments(self, request: Request) -> Arguments:
        from edgetender_scoring.wsgi import environ

        return (self._request_class(environ(request)),), {}


def style_of(run: Callable[..., Any]) -> Style:
    """Return the calling style *run* is decorated for. Raises StyleUnusable."""
    return RawHttp() if getattr(run, azureml_names.RAW, False) else Text()


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
    """A query as JSON: values are JSON where they parse as such; a repeated key becomes a list."""
    values: dict[str, Any] = {}
    repeated: set[str] = set()
    for key, text in parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=1000):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if key not in values:
            values[key] = value
        elif key in repeated:
            values[key].append(value)
        else:
            values[key] = [values[key], value]
            repeated.add(key)
    return json.dumps(values)
