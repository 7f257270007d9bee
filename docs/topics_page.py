"""The reference page of topics, codes and events, from the code that says them."""  # noqa: INP001  beside a program

from __future__ import annotations

from markdown import page, table

from edgetender.decide.bands import BANDS, TOTALS, Band
from edgetender.model.topics import TOPICS, DesiredCode, EventKind
from edgetender.transports.publication import root_topic

_MIB = 1024 * 1024


def topics() -> str:
    intro = (
        f"What stands here holds for MQTT, below `{root_topic('<device>')}/`, QoS 1 throughout; "
        "[other transports](../explanation/transports.md) carry the same."
    )
    rows = [(_code(one.name), one.way, one.kept, one.meaning) for one in TOPICS]
    codes = [(str(int(one)), one.meaning) for one in DesiredCode]
    events = [(f"`{one}`", one.meaning) for one in EventKind]
    return page(
        "Topics, codes, events",
        "agent/edgetender/model/topics.py",
        intro,
        table(("topic", "way", "retained", "what"), rows),
        "## What became of a manifest\n\n`lastDesiredStatus.code` in `reported`, of the newest manifest.",
        table(("code", "meaning"), codes),
        "## Events\n\nEach change once, with `id`, `type`, `device` and `at`. Those that a push has caused "
        "carry its `traceparent`, what became of a signed version its `epoch` beside `version`.",
        table(("type", "what"), events),
        "## When a sample goes up\n\nOne in which a figure is so far from what was told of it last, by the end of "
        "its name; where two are said, the larger counts. Anything else is news when it changes at all.",
        table(("figure", "moved far"), [*_bands(), (_named(sorted(TOTALS)), "never; they come along")]),
    )


def _code(name: str) -> str:
    return name if " " in name else f"`{name}`"


def _bands() -> list[tuple[str, str]]:
    return [
        (f"`…{name}`" if name[0].isupper() else f"`{name}`", _said(name, band))
        for name, band in BANDS.items()
    ]


def _said(name: str, band: Band) -> str:
    absolute = f"{band.absolute / _MIB:g} MiB" if name == "Bytes" else f"{band.absolute:g}"
    return absolute + (f", {band.relative:.0%} of it" if band.relative else "")


def _named(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
