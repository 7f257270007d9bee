"""What do entry scripts import from the original server? The same names, under both import paths.

`azureml_inference_server_http.api.aml_request`/`.aml_response` and `azureml.contrib.services.aml_request`/
`.aml_response` lead here, so that scripts run unchanged. Parents that are installed for real stay theirs.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

_LEAVES = {
    "azureml_inference_server_http.api.aml_request": ("AMLRequest", "rawhttp"),
    "azureml_inference_server_http.api.aml_response": ("AMLResponse",),
    "azureml.contrib.services.aml_request": ("AMLRequest", "rawhttp"),
    "azureml.contrib.services.aml_response": ("AMLResponse",),
}
_PARENTS = frozenset(
    leaf.rsplit(".", depth)[0] for leaf in _LEAVES for depth in range(1, leaf.count(".") + 1)
)
_raw: list[Callable[..., Any]] = []


class Headers(list[tuple[str, str]]):
    """An answer's headers as scripts write to them: pairs, names of any case, repeated ones allowed."""

    def add(self, name: str, value: object) -> None:
        self.append((name, str(value)))

    add_header = add

    def get(self, name: str, default: str | None = None) -> str | None:
        return next((value for key, value in self if key.lower() == name.lower()), default)

    def remove(self, name: str) -> None:  # type: ignore[override]  # headers go by name
        self[:] = [(key, value) for key, value in self if key.lower() != name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __setitem__(self, name: Any, value: Any) -> None:
        if isinstance(name, str):
            self.remove(name)
            self.add(name, value)
        else:
            super().__setitem__(name, value)


class AMLResponse:
    """An answer the script has made itself: status, headers and body go out as they are.

    A header value is split at commas into repeated headers; without *json_str* the type is text/html.
    """

    def __init__(
        self,
        message: Any,
        status_code: int,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        self.status_code = int(status_code)
        as_json = json_str or message is None
        self.mimetype = "application/json" if as_json else "text/html; charset=utf-8"
        self.run_function_failed = run_function_failed
        self.headers = Headers(
            (name, part.strip())
            for name, value in (response_headers or {}).items()
            for part in str(value).split(",")
        )
        self._body = b""
        self.set_data(json.dumps({} if message is None else message) if as_json else message)

    def set_data(self, body: Any) -> None:
        """Replace the body; text is sent as UTF-8."""
        self._body = bytes(body) if isinstance(body, bytes | bytearray) else str(body).encode()

    def get_data(self) -> bytes:
        return self._body

    data = property(get_data, set_data)


def rawhttp(run: Callable[..., Any]) -> Callable[..., Any]:
    """Mark *run*: it takes the HTTP request itself, of whatever method."""
    _raw.append(run)
    return run


def rawhttp_is_used() -> bool:
    """Whether the script has decorated anything so; a mark on the function would not outlive other decorators."""
    return bool(_raw)


def AMLRequest(*_args: Any, **_kwargs: Any) -> Any:  # noqa: N802  the original's name
    """The request's class; only named in annotations, never made by a script."""
    raise TypeError("AMLRequest is made by the server")


class _Finder:
    """Makes the modules above on import. A finder and a loader by its methods: importlib.abc takes a megabyte."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(  # the import system's signature
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._names:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname in _PARENTS)  # type: ignore[arg-type]

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        for name in _LEAVES.get(module.__name__, ()):
            setattr(module, name, globals()[name])


def install() -> None:
    """Make the names importable: our leaves before any other, missing parents after all others."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(frozenset(_LEAVES)))
        sys.meta_path.append(_Finder(_PARENTS))
