"""How the log looks, for people, for machines and for the journal."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from edgetender.logs import JsonLines, TextLines, configure
from edgetender.secret import Secret


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The root logger, and those that `configure` quietens, as they were."""
    names = ("", "urllib3", "docker", "uvicorn", "asyncio")
    root = logging.getLogger()
    levels, handlers = {name: logging.getLogger(name).level for name in names}, root.handlers[:]
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def record(message: str = "container started", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("edgetender.executor", level, __file__, 1, message, (), None)
    made.created = 1795508130.1234
    made.fields = fields
    return made


def text(**fields: Any) -> str:
    return TextLines().format(record(**fields)).partition("container started")[2].strip()


def test_the_newest_lines_are_kept_for_who_asks_and_no_more() -> None:
    stream = io.StringIO()
    recent = configure("DEBUG", "json", stream)
    for number in range(600):
        logging.getLogger("edgetender.x").info("line", extra={"fields": {"n": number}})
    logging.getLogger("edgetender.x").debug("not worth keeping")
    assert len(recent.lines()) == 500
    assert recent.lines()[-1].endswith("INFO    line  n=599")


def test_a_line_for_people_has_time_level_message_and_fields() -> None:
    line = TextLines().format(record(module="scorer", again=False))
    assert line == "2026-11-24T08:15:30.123Z INFO    container started  module=scorer again=false"


def test_a_line_for_the_journal_begins_with_its_priority_and_has_no_time() -> None:
    line = TextLines(to_journal=True).format(record(level=logging.WARNING, module="scorer"))
    assert line == "<4>container started  module=scorer"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("carriage\rreturn", '"carriage\\rreturn"'),
        ("tab\tbed", '"tab\\tbed"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        (7, "7"),
        (0.5, "0.5"),
        (None, "null"),
        (True, "true"),
        (["a", 1], '["a", 1]'),
        (Secret("hunter2"), '"***"'),
        (RuntimeError("no"), '"no"'),
    ],
)
def test_a_value_stays_one_word_on_one_line(value: object, shown: str) -> None:
    assert text(value=value) == f"value={shown}"


def test_a_message_of_several_lines_stays_one_event_in_the_journal() -> None:
    """journald takes each line for an event of its own, with the priority that the line begins with."""
    hostile = record("pull failed: registry said\n<0>all is lost", level=logging.WARNING)
    assert TextLines(to_journal=True).format(hostile).splitlines() == [
        "<4>pull failed: registry said",
        "<4>  <0>all is lost",
    ]


def test_what_is_quoted_from_outside_cannot_pass_for_a_line_of_ours() -> None:
    line = TextLines().format(record("registry said\n2026-11-24 INFO \x1b[2Jfine\r"))
    assert line.splitlines()[1] == "  2026-11-24 INFO \\x1b[2Jfine\\r"


def test_every_line_of_a_traceback_carries_its_priority_to_the_journal() -> None:
    lines = TextLines(to_journal=True).format(failed()).splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_a_line_for_machines_is_one_json_object() -> None:
    said = json.loads(JsonLines().format(record(module="scorer", secret=Secret("hunter2"))))
    assert said == {
        "time": "2026-11-24T08:15:30.123Z",
        "level": "INFO",
        "message": "container started",
        "logger": "edgetender.executor",
        "module": "scorer",
        "secret": "***",
    }


def test_a_field_cannot_take_the_place_of_what_every_line_has() -> None:
    said = json.loads(JsonLines().format(with_fields(level="x", time="never")))
    assert said["level"] == "INFO"


def with_fields(**fields: Any) -> logging.LogRecord:
    made = record()
    made.fields = fields
    return made


def failed() -> logging.LogRecord:
    made = record("a worker crashed", level=logging.ERROR)
    try:
        int("of this")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


@pytest.mark.parametrize("formatter", [TextLines(), JsonLines()])
def test_an_exception_comes_with_its_traceback(formatter: logging.Formatter) -> None:
    said = formatter.format(failed())
    assert "ValueError: invalid literal" in said
    assert "in failed" in said


def test_json_with_an_exception_is_still_one_line() -> None:
    assert "\n" not in JsonLines().format(failed())


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_in_message_or_fields_prints_as_stars(form: Any) -> None:
    stream = io.StringIO()
    configure("INFO", form, stream)
    log = logging.getLogger("edgetender.test")
    log.info("with %s", Secret("hunter2"), extra={"fields": {"all": {"of": [Secret("hunter2")]}}})
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 2


def test_the_level_holds_and_libraries_are_heard_from_warning_on() -> None:
    stream = io.StringIO()
    configure("INFO", "text", stream)
    logging.getLogger("edgetender.test").debug("too low")
    logging.getLogger("edgetender.test").info("heard")
    logging.getLogger("docker.api").info("chatter")
    logging.getLogger("docker.api").warning("worth it")
    assert [line.split("  ")[-1].split()[-1] for line in stream.getvalue().splitlines()] == ["heard", "it"]


def test_configuring_twice_writes_each_line_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("INFO", "text", first)
    configure("INFO", "json", second)
    logging.getLogger("edgetender.test").info("once")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 1
