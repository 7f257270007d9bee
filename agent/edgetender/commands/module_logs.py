"""Which lines of which modules are asked for, and how do they travel? As IoT Edge's agent takes and gives them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from edgetender.api.house import House
from edgetender.clock import parse_rfc3339
from edgetender.commands.request import Refused, number
from edgetender.errors import NotFound
from edgetender.model.quantity import parse_duration

SPACE_BYTES = 120 * 1024  # of an answer, which has 128 KB
_MOST_LINES = 20_000
_LEVEL = re.compile(r"<([0-7])>\s?")
_PLAIN_LEVEL = 6  # what says nothing of its level is information


@dataclass(frozen=True, slots=True)
class Line:
    """One line; *at* is when it came, in RFC 3339, where that was asked for."""

    text: str
    at: str = ""

    @property
    def level(self) -> int:
        """The syslog level it begins with (`<4> …`), as IoT Edge's modules write it."""
        found = _LEVEL.match(self.text)
        return int(found[1]) if found else _PLAIN_LEVEL

    @property
    def bare(self) -> str:
        """Without that level."""
        return _LEVEL.sub("", self.text, count=1)


@dataclass(frozen=True, slots=True)
class Item:
    """Some modules by their names, and the lines of theirs that are wanted."""

    names: re.Pattern[str]
    tail: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    level: int | None = None
    matching: re.Pattern[str] | None = None
    stamped: bool = False

    def wants(self, line: Line) -> bool:
        """A level means that one alone: there it is so, whatever its page says."""
        if self.level is not None and line.level != self.level:
            return False
        return self.matching is None or self.matching.search(line.bare) is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    items: tuple[Item, ...]
    gzipped: bool = False
    as_json: bool = False

    @property
    def suffix(self) -> str:
        return (".json" if self.as_json else ".log") + (".gz" if self.gzipped else "")


def read_items(request: dict[str, Any], now: datetime) -> Wanted:
    """What *request* asks for. Raises Refused."""
    items = request.get("items")
    if isinstance(items, dict):  # one alone, as older tools sent it
        items = [items]
    if not isinstance(items, list) or not items or not all(isinstance(one, dict) for one in items):
        raise Refused('items is a list like [{"id": "scorer", "filter": {"tail": 100}}]')
    encoding, form = request.get("encoding", "none"), request.get("contentType", "text")
    if encoding not in ("none", "gzip") or form not in ("text", "json"):
        raise Refused("encoding is none or gzip, contentType text or json")
    return Wanted(tuple(_item(one, now) for one in items), encoding == "gzip", form == "json")


def _item(one: dict[str, Any], now: datetime) -> Item:
    name, wanted = one.get("id"), one.get("filter") or {}
    if not isinstance(name, str) or not name or not isinstance(wanted, dict):
        raise Refused("id is a module's name, a regular expression or all")
    level = number(wanted, "loglevel", least=0)
    regex, stamped = wanted.get("regex"), wanted.get("includeTimestamp", False)
    if not isinstance(stamped, bool):
        raise Refused("includeTimestamp is true or false")
    return Item(
        _pattern("" if name == "all" else name, re.IGNORECASE),
        tail=number(wanted, "tail", least=0),
        since=moment(wanted, "since", now),
        until=moment(wanted, "until", now),
        level=level,
        matching=_pattern(regex) if regex else None,
        stamped=stamped,
    )


def _pattern(text: Any, flags: int = 0) -> re.Pattern[str]:
    try:
        return re.compile(text, flags)
    except (re.error, TypeError) as error:
        raise Refused(f"{text!r} is no regular expression: {error}") from error


def moment(asked: Mapping[str, Any], key: str, now: datetime) -> datetime | None:
    """*key* as `1d`, `2 hours`, a moment in RFC 3339 or seconds since 1970; None if it is absent. Raises Refused."""
    value = asked.get(key)
    if value in (None, ""):
        return None
    text = str(value).strip()
    if re.fullmatch(r"[0-9]{1,11}", text):
        return datetime.fromtimestamp(int(text), UTC)
    spelled = re.sub(r"\b(\d+) ?(s|m|h|d)[a-z]*\b", r"\1\2", text)  # 2 hours, 1 day
    try:
        return now - timedelta(seconds=parse_duration(spelled))
    except ValueError:
        pass
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise Refused(
            f"{key} is like 1d, 90m, 2026-11-24T12:00:00Z or seconds since 1970, not {text!r}"
        ) from None


def chosen(house: House, wanted: Wanted) -> list[tuple[str, list[Line]]]:
    """Each module that is here and asked for, with its lines, oldest first; the first item that names it counts."""
    found: dict[str, list[Line]] = {}
    for module in house.status()["modules"]:
        name = module["name"]
        item = next((one for one in wanted.items if one.names.search(name)), None)
        if item is not None:
            found[name] = _lines(house, name, item, stamped=item.stamped or wanted.as_json)
    return list(found.items())


def _lines(house: House, name: str, item: Item, *, stamped: bool) -> list[Line]:
    # what is filtered first is cut afterwards, as there
    filtered = item.level is not None or item.matching is not None
    tail = _MOST_LINES if filtered or item.tail is None else min(item.tail, _MOST_LINES)
    try:
        printed = house.logs(
            name, tail=tail, since=item.since, until=item.until, timestamps=stamped, follow=False
        )
        found = (_stamped(text) if stamped else Line(text) for text in printed)
        lines = [line for line in found if item.wants(line)]
    except NotFound:
        return []  # known, and not created yet
    return lines[-item.tail :] if item.tail else ([] if item.tail == 0 else lines)


def _stamped(text: str) -> Line:
    at, _, rest = text.partition(" ")
    return Line(rest, at)


def encoded(device: str, name: str, lines: Iterable[Line], wanted: Wanted) -> bytes:
    """The lines as one body."""
    if wanted.as_json:
        body = json.dumps(list(_objects(device, name, lines)), ensure_ascii=False).encode()
    else:
        body = "".join(f"{line.at} {line.text}\n" if line.at else f"{line.text}\n" for line in lines).encode()
    return gzip.compress(body, mtime=0) if wanted.gzipped else body


def _objects(device: str, name: str, lines: Iterable[Line]) -> Iterator[dict[str, Any]]:
    for line in lines:
        said = {"device": device, "id": name, "stream": "stdout", "loglevel": line.level, "text": line.bare}
        yield said | {"timestamp": line.at}


def entry(device: str, name: str, lines: list[Line], wanted: Wanted, space: int) -> dict[str, Any]:
    """One module in the answer to GetModuleLogs; the oldest lines go where there is no *space* (bytes)."""
    body = encoded(device, name, lines, wanted)
    while lines and _size(body, gzipped=wanted.gzipped) > space:
        lines = lines[max(1, len(lines) // 4) :]
        body = encoded(device, name, lines, wanted)
    if wanted.gzipped:
        return {"id": name, "payloadBytes": base64.b64encode(body).decode()}
    return {"id": name, "payload": body.decode()}


def _size(body: bytes, *, gzipped: bool) -> int:
    return len(body) * 4 // 3 if gzipped else len(json.dumps(body.decode()))
