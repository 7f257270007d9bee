"""What does a file written by a person say, and on which line? JSON or YAML, read as strictly as the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from edgetender.codec import MAX_BYTES, MAX_DEPTH, canonical, decode
from edgetender.errors import ManifestInvalid, NotFound, Problem

_MAX_NODES = 100_000  # what aliases may expand to
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Document:
    """The *value* of a document, and where its parts stand."""

    name: str
    value: Any
    _positions: Mapping[str, tuple[int, int]] = field(repr=False)

    def position_of(self, path: str) -> tuple[int, int] | None:
        """Line and column, from 1, of *path* (`modules.scorer.ports[0].host`) or of what would hold it."""
        while path:
            if (position := self._positions.get(path)) is not None:
                return position
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._positions.get("")

    def text_at(self, path: str) -> str | None:
        """The text at *path*; None where there is none."""
        found = _at_path(self.value, path)
        return found if isinstance(found, str) else None


def load_document(source: Path | bytes, name: str = "") -> Document:
    """Read *source*: JSON if *name* ends so or the text begins with a brace, else YAML.

    YAML means 1.2's types: `on` and `12:30` are text. Anything JSON cannot say is refused, and so are keys
    given twice. Raises ManifestInvalid (with line and column in the messages), NotFound.
    """
    body, name = _read(source, name)
    if name.endswith(".json") or (not name.endswith((".yaml", ".yml")) and body.lstrip()[:1] == b"{"):
        value = decode(body)
        return Document(name, value, _positions_in_json(body.decode()))
    if len(body) > MAX_BYTES:
        _refuse("yaml.oversized", f"more than {MAX_BYTES} bytes")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        _refuse("yaml.encoding", f"not UTF-8: byte 0x{body[error.start]:02x} at offset {error.start}")
    reading = _Reading()
    value = reading.read(text)
    if reading.problems:
        raise ManifestInvalid(tuple(reading.problems))
    try:
        return Document(name, decode(canonical(value)), reading.positions)  # the wire's own rules, once more
    except UnicodeEncodeError:
        _refuse("yaml.encoding", "holds a lone surrogate; that is no Unicode text")


def lengthened(text: str, document: Document, ends: Mapping[str, str]) -> str:
    """*text*, of which *document* was read, with these *ends* behind the values of their paths; comments stay.

    Only for texts that stand on one line with their keys; others are left as they are: read it again and compare.
    """
    lines = text.splitlines(keepends=True)
    for path, end in ends.items():
        value, place = document.text_at(path), document.position_of(path)
        if place is None or value is None:
            continue
        line = lines[place[0] - 1]
        start = line.find(value, place[1] - 1 + len(path.rpartition(".")[2]))
        rest = line[start + len(value) :]
        if start >= 0 and not rest.startswith(end):  # an alias leads to one place twice
            lines[place[0] - 1] = line[: start + len(value)] + end + rest
    return "".join(lines)


def _at_path(value: Any, path: str) -> Any:
    """What stands at *path*; None for nothing. A key may hold dots."""
    if not path:
        return value
    match value:
        case dict():
            for key, inner in value.items():
                rest = path.removeprefix(key)
                if path.startswith(key) and rest[:1] in ("", ".", "["):
                    found = _at_path(inner, rest.removeprefix("."))
                    if found is not None:
                        return found
        case list() if (at := re.match(r"\[(\d+)\]\.?", path)) is not None and int(at[1]) < len(value):
            return _at_path(value[int(at[1])], path[at.end() :])
    return None


def _read(source: Path | bytes, name: str) -> tuple[bytes, str]:
    if isinstance(source, bytes):
        return source, name
    try:
        with source.open("rb") as stream:
            return stream.read(MAX_BYTES + 1), name or str(source)
    except OSError as error:
        raise NotFound(f"cannot read {source}: {error.strerror}") from error


def _refuse(code: str, message: str, path: str = "") -> NoReturn:
    raise ManifestInvalid((Problem(path, code, message),))


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core types in JSON's spelling. PyYAML's own 1.1 reads `no` as false and `12:30` as 750."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # PyYAML's way: a table per class


for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first))


class _Reading:
    """One pass over the nodes: the value, every fault, and where each path stands."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.positions: dict[str, tuple[int, int]] = {}
        self._nodes = 0

    def read(self, text: str) -> Any:
        try:
            loader = _Loader(text)
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            said = f"holds the character U+{ord(text[error.position]):04X}; write it as an escape, in quotes"
            _refuse("yaml.malformed", f"{said} at line {line} column {column}")
        try:
            node = loader.get_single_node()
            return None if node is None else self._value(node, "", 0)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
            _refuse("yaml.malformed", f"{error.problem or error.context}{where}")
        except yaml.YAMLError as error:
            _refuse("yaml.malformed", " ".join(str(error).split()))
        except RecursionError:
            _refuse("yaml.depth", f"nested deeper than {MAX_DEPTH}")
        finally:
            loader.dispose()

    def _value(self, node: yaml.Node, path: str, depth: int) -> Any:
        self._nodes += 1
        self.positions.setdefault(path, _place(node))
        if depth > MAX_DEPTH:
            _refuse("yaml.depth", f"nested deeper than {MAX_DEPTH}{_at(node)}", path)
        if self._nodes > _MAX_NODES:
            _refuse("yaml.oversized", f"its aliases expand to more than {_MAX_NODES} values")
        kind = node.tag.removeprefix(_TAG)
        match node:
            case yaml.MappingNode() if kind == "map":
                return dict(self._entries(node, path, depth))
            case yaml.SequenceNode() if kind == "seq":
                return [
                    self._value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)
                ]
            case yaml.ScalarNode():
                return self._scalar(node, kind, path)
        self._fault(path, "yaml.tag", f"{node.tag!r} is nothing JSON can say", node)
        return None

    def _entries(self, node: yaml.MappingNode, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        first: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{_TAG}str":
                self._fault(path, "yaml.key", "a key must be text; put it in quotes", key)
                continue
            inner = f"{path}.{key.value}" if path else key.value
            if key.value in first:
                line, _ = _place(first[key.value])
                message = f"key {key.value!r} is given twice, first on line {line}"
                self._fault(inner, "yaml.duplicate_key", message, key)
            first.setdefault(key.value, key)
            self.positions.setdefault(inner, _place(key))
            yield key.value, self._value(value, inner, depth + 1)

    def _scalar(self, node: yaml.ScalarNode, kind: str, path: str) -> Any:
        text = node.value
        try:
            match kind:
                case "str":
                    return text
                case "null":
                    return None
                case "bool" if text.lower() in {"true", "false"}:
                    return text.lower() == "true"
                case "int":
                    return int(text)
                case "float" if abs(number := float(text)) != float("inf") and number == number:  # noqa: PLR0124
                    return number
        except ValueError:
            pass
        self._fault(path, "yaml.scalar", f"{text[:40]!r} is nothing JSON can say as {kind}", node)
        return None

    def _fault(self, path: str, code: str, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(path, code, f"{message}{_at(node)}"))


def _place(node: yaml.Node) -> tuple[int, int]:
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


def _at(node: yaml.Node) -> str:
    line, column = _place(node)
    return f" at line {line} column {column}"


def _positions_in_json(text: str) -> dict[str, tuple[int, int]]:
    """JSON is near enough to YAML to be located by it; without a position a fault still has its path."""
    reading = _Reading()
    try:
        reading.read(yaml.reader.Reader.NON_PRINTABLE.sub("?", text.replace("\t", " ")))
    except ManifestInvalid:
        return {}
    return reading.positions
