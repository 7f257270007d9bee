"""Which lines of which modules are asked for, and how do they travel? As IoT Edge's agent takes and gives them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterable, Iterator
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
class Item:
    """Some modules by their names, and the lines of theirs that are wanted."""

    names: re.Pattern[str]
    tail: int | None = None
    since: datetime | None = None
    level: int | None = None
    matching: re.Pattern[str] | None = None

    def wants(self, line: str) -> bool:
        if self.level is not None and level_of(line) != self.level:
            return False
        return self.matching is None or self.matching.search(line) is not None


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
    for key in ("until", "includeTimestamp"):
        if wanted.get(key):
            raise Refused(f"filter.{key} is not supported: lines carry no time here")
    level = number(wanted, "loglevel", least=0)
    regex = wanted.get("regex")
    return Item(
        _pattern(".*" if name == "all" else name),
        tail=number(wanted, "tail", least=0),
        since=_since(wanted.get("since"), now),
        level=level,
        matching=_pattern(regex) if regex else None,
    )


def _pattern(text: Any) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise Refused(f"{text!r} is no regular expression: {error}") from error


def _since(value: Any, now: datetime) -> datetime | None:
    """`1d`, `2 hours`, a moment in RFC 3339 or seconds since 1970."""
    if value in (None, ""):
        return None
    text = str(value).strip()
    if text.isdecimal():
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
            f"since is like 1d, 90m, 2026-11-24T12:00:00Z or seconds since 1970, not {text!r}"
        ) from None


def chosen(house: House, wanted: Wanted) -> list[tuple[str, list[str]]]:
    """Each module that is here and asked for, with its lines, oldest first; the first item that names it counts."""
    found: dict[str, list[str]] = {}
    for module in house.status()["modules"]:
        name = module["name"]
        item = next((one for one in wanted.items if one.names.fullmatch(name)), None)
        if item is not None:
            found[name] = _lines(house, name, item)
    return list(found.items())


def _lines(house: House, name: str, item: Item) -> list[str]:
    # what is filtered first is cut afterwards, as there
    filtered = item.level is not None or item.matching is not None
    tail = _MOST_LINES if filtered or item.tail is None else min(item.tail, _MOST_LINES)
    try:
        lines = [
            line for line in house.logs(name, tail=tail, since=item.since, follow=False) if item.wants(line)
        ]
    except NotFound:
        return []  # known, and not created yet
    return lines[-item.tail :] if item.tail else ([] if item.tail == 0 else lines)


def level_of(line: str) -> int:
    """The syslog level a line begins with (`<4> …`), as IoT Edge's modules write it."""
    found = _LEVEL.match(line)
    return int(found[1]) if found else _PLAIN_LEVEL


def encoded(device: str, name: str, lines: Iterable[str], wanted: Wanted) -> bytes:
    """The lines as one body."""
    if wanted.as_json:
        body = json.dumps(list(_objects(device, name, lines)), ensure_ascii=False).encode()
    else:
        body = "".join(f"{line}\n" for line in lines).encode()
    return gzip.compress(body, mtime=0) if wanted.gzipped else body


def _objects(device: str, name: str, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        text = _LEVEL.sub("", line, count=1)
        yield {"device": device, "id": name, "stream": "stdout", "loglevel": level_of(line), "text": text}


def entry(device: str, name: str, lines: list[str], wanted: Wanted, space: int) -> dict[str, Any]:
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
