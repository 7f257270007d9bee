"""From TOML files to Settings: every value with its origin, or every fault with its file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from edgetender.config.lines import dotted, line_of, lines_of
from edgetender.config.settings import Settings, TransportSettings
from edgetender.errors import ConfigInvalid, Problem

_SYNTAX = re.compile(r"(.*) \((?:at line (\d+), column \d+|at end of document)\)")

KeyPath = tuple[str, ...]


def read(files: Iterable[Path]) -> Settings:
    """Return what *files* say, later ones winning. Raises ConfigInvalid with every fault of every file."""
    return _Reading().settings(files)


class _Reading:
    """One reading of some files; collects origins and faults on the way."""

    def __init__(self) -> None:
        self._origins: dict[KeyPath, str] = {}
        self._problems: list[Problem] = []
        self._faulty: set[KeyPath] = set()

    def settings(self, files: Iterable[Path]) -> Settings:
        document: dict[str, Any] = {}
        for file in files:
            self._merge(document, self._document(file), ())
        given = self._table(Settings, document, ())
        given["origins"] = {dotted(path): origin for path, origin in self._origins.items()}
        settings = Settings(**given)
        self._check_transport(settings.transport)
        if self._problems:
            raise ConfigInvalid(tuple(sorted(self._problems, key=_place)))
        return settings

    def _document(self, file: Path) -> dict[str, Any]:
        try:
            text = file.read_bytes().decode()
            document = tomllib.loads(text)
        except OSError as error:
            self._problems.append(
                Problem(f"{file}", "config.unreadable", f"cannot be read: {error.strerror}")
            )
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self._problems.append(Problem(f"{file}:{line}", "config.encoding", "not UTF-8"))
        except tomllib.TOMLDecodeError as error:
            match = _SYNTAX.fullmatch(str(error))
            line = int(match[2]) if match and match[2] else text.count("\n") + 1
            self._problems.append(
                Problem(f"{file}:{line}", "config.syntax", match[1] if match else str(error))
            )
        else:
            lines = lines_of(text)
            for path in _paths(document, ()):
                self._origins[path] = f"{file}:{line_of(path, lines)}"
            return document
        return {}

    def _merge(self, into: dict[str, Any], more: Mapping[str, Any], path: KeyPath) -> None:
        for key, value in more.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                self._merge(into[key], value, (*path, key))
            else:
                into[key] = value

    def _table(self, of: type, given: Any, path: KeyPath) -> dict[str, Any]:
        """The arguments for the dataclass *of* that *given* holds without fault."""
        if not isinstance(given, dict):
            self._fault(path, "config.type", f"must be a table: [{dotted(path)}]")
            return {}
        hints = get_type_hints(of, include_extras=True)
        known = [one.name for one in fields(of) if one.name != "origins"]
        out: dict[str, Any] = {}
        for key, value in given.items():
            here = (*path, key)
            if key not in known:
                close = get_close_matches(key, known, n=1)
                meant = f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(known)}"
                self._fault(here, "config.unknown_key", f"unknown key {key!r}{meant}")
                continue
            self._keep(out, key, hints[key], value, here)
        return out

    def _keep(self, out: dict[str, Any], key: str, hint: Any, value: Any, path: KeyPath) -> None:
        if get_origin(hint) is Annotated:
            try:
                out[key] = get_args(hint)[1](value)
            except ValueError as error:
                self._fault(path, "config.value", f"{dotted(path)}: {error}")
        elif is_dataclass(hint) and isinstance(hint, type):
            out[key] = hint(**self._table(hint, value, path))
        elif isinstance(value, dict):  # a table with keys of the operator's own
            members: dict[str, Any] = {}
            out[key] = members
            for name, member in value.items():
                self._keep(members, name, get_args(hint)[1], member, (*path, name))
        else:
            self._fault(path, "config.type", f"must be a table: [{dotted(path)}]")

    def _check_transport(self, link: TransportSettings) -> None:
        needs: dict[str, tuple[object, str]] = {}
        if link.kind == "mqtt":
            needs["host"] = (link.host, "the mqtt transport needs the broker's host")
        if link.kind == "iothub":
            known = link.password_credential or link.certificate
            needs["password_credential"] = (known, "the iothub transport needs a credential or a certificate")
            if link.certificate and not link.id_scope:
                needs["host"] = (link.host, "a certificate does not name the hub; give its host")
        if link.kind == "folder":
            needs["path"] = (link.path, "the folder transport needs the path of its folder")
        if link.certificate:
            needs["key"] = (link.key, "a certificate needs its key")
        if link.key:
            needs["certificate"] = (link.certificate, "a key needs its certificate")
        if link.password_credential and link.kind != "iothub":
            needs["username"] = (link.username, "a password needs a username")
        for key, (value, why) in needs.items():
            if not value and ("transport", key) not in self._faulty:
                self._fault(("transport", key), "config.missing", f"transport.{key} is missing: {why}")

    def _fault(self, path: KeyPath, code: str, message: str) -> None:
        self._faulty.add(path)
        around = (
            self._origins[path[:length]]
            for length in range(len(path), 0, -1)
            if path[:length] in self._origins
        )
        self._problems.append(Problem(next(around, ""), code, message))


def _paths(value: Any, path: KeyPath) -> Iterable[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _paths(member, (*path, key))


def _place(problem: Problem) -> tuple[str, int]:
    file, _, line = problem.path.rpartition(":")
    return (file, int(line)) if line.isdigit() else (problem.path, 0)
