"""What may one configured value be? Checks that return the value, or raise ValueError with what is wrong.

A check's docstring is what the reference says of the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgetender.model.window import Window, window_of

Check = Callable[[Any], Any]
_MAX_SOCKET_PATH = 107  # sun_path holds 108 bytes with its end (unix(7))


def text(value: Any) -> str:
    """text"""
    if not isinstance(value, str):
        raise ValueError("must be text in quotes")
    return value


def flag(value: Any) -> bool:
    """true or false"""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def matching(pattern: str, what: str) -> Check:
    def check(value: Any) -> str:
        if not re.fullmatch(pattern, text(value)):
            raise ValueError(f"{value!r} is no {what}")
        return str(value)

    check.__doc__ = what
    return check


def url(pattern: str, what: str) -> Check:
    """An address of that shape whose host and port can be asked."""
    shaped = matching(pattern, what)

    def check(value: Any) -> str:
        found = str(shaped(value))
        try:
            _ = urlsplit(found).port
        except ValueError as error:
            raise ValueError(f"{value!r} is no {what}: {error}") from error
        return found

    check.__doc__ = what
    return check


def one_of(*choices: str) -> Check:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    check.__doc__ = ", ".join(f"`{choice}`" for choice in choices)
    return check


def whole(least: int, most: int) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{value!r} is no whole number from {least} to {most}")
        return value

    check.__doc__ = f"whole number, {least} to {most}"
    return check


def number(least: float, most: float) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{value!r} is no number from {least:.15g} to {most:.15g}")
        return float(value)

    check.__doc__ = f"number, {least:.15g} to {most:.15g}"
    return check


def seconds(least: float, most: float = 86400) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise ValueError(f"{value!r} is no number of seconds from {least:.15g} to {most:.15g}")
        return float(value)

    check.__doc__ = f"seconds, {least:.15g} to {most:.15g}"
    return check


def path(value: Any) -> Path:
    """absolute path"""
    if not text(value).startswith("/"):
        raise ValueError(f"{value!r} is no absolute path")
    return Path(value)


def words(value: Any) -> tuple[str, ...]:
    """list of words"""
    if not isinstance(value, list) or not all(
        isinstance(one, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", one) for one in value
    ):
        raise ValueError(f'{value!r} is no list of words like ["line3", "cameras"]')
    return tuple(value)


def windows(value: Any) -> tuple[str, ...]:
    """list of windows like `0 2 * * sat for 4h in Europe/Berlin`"""
    if not isinstance(value, list):
        raise ValueError(f'{value!r} is no list of windows like ["0 2 * * sat for 4h in Europe/Berlin"]')
    return tuple(window(one).text for one in value)


def window(value: Any) -> Window:
    return window_of(text(value), _zone)


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no time zone that this device knows; the names are in tzdata, like Europe/Berlin"
        ) from error


def socket_path(value: Any) -> Path:
    """absolute path, 107 bytes at most"""
    if len(os.fsencode(text(value))) > _MAX_SOCKET_PATH:
        raise ValueError(f"is longer than the {_MAX_SOCKET_PATH} bytes a unix socket's path may have")
    return path(value)


def loopback(value: Any) -> str:
    """loopback address and port, or empty"""
    # this listener asks nobody who they are: it stays on this machine
    if not text(value):
        return ""
    host, _, port = value.rpartition(":")
    try:
        here = host == "localhost" or ip_address(host.strip("[]")).is_loopback
        usable = 0 <= int(port) <= 65535  # noqa: PLR2004  TCP's range
    except ValueError:
        here = usable = False
    if not (here and usable):
        raise ValueError(f'{value!r} is no loopback address and port like 127.0.0.1:8787; "" turns it off')
    return str(value)
