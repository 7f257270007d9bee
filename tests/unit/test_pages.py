"""Do pages speak the program's language? Commands and their options are there; keys are those that are read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from edgetender.cli import cli
from edgetender.config import load
from edgetender.errors import AgentError
from edgetender.model.reading import manifest_of
from edgetender.trust.policy import read_policy
from tests.builders.manifests import image
from tests.unit.test_docs import PAGES, ROOT

_BLOCK = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_CALL = re.compile(r"(?:^|(?<!-[a-z])[\s$(])edgetender ((?:[^`|;&>#()\n]|\\\n)+)")
WHOLE = {"modules", "registries", "update", "compat"}
OF_A_MODULE = {"variants", "select", "health", "ports"}


def calls(text: str) -> Iterator[list[str]]:
    """The words after each `edgetender`, in blocks and in spans of code."""
    places = [block[3] for block in _BLOCK.finditer(text) if block[2] in ("sh", "console")]
    places += _SPAN.findall(_BLOCK.sub("", text))
    for place in places:
        for call in _CALL.finditer(place):
            yield call[1].replace("\\\n", " ").replace("[", " ").replace("]", " ").split()


def fault_of(words: list[str]) -> str:
    """What the program does not know of a call, or nothing."""
    command: click.Command = cli
    context = click.Context(cli, info_name="edgetender")
    options: dict[str, click.Parameter] = {}
    rest = iter(words)
    for word in rest:
        options |= {
            name: one for one in command.get_params(context) for name in (*one.opts, *one.secondary_opts)
        }
        if word.startswith("-") and word != "-":
            name, _, value = word.rstrip(",.").partition("=")
            if name not in options:
                return f"{command.name} has no {name}"
            if isinstance(one := options[name], click.Option) and not (one.is_flag or one.count or value):
                next(rest, "")
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            if (found := command.get_command(context, word)) is None:
                return f"{command.name} has no {word}"
            command = found
    return ""


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("docs/reference/")])
def test_every_command_of_a_page_is_one_with_such_options(page: str) -> None:
    asked = [" ".join(words) for words in calls((ROOT / page).read_text()) if fault_of(words)]
    assert asked == [], [fault_of(words.split()) for words in asked]


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("fleet serve --listen 127.0.0.1:9787", ""),
        ("fleet wave", "fleet has no wave"),
        ("push x.json --too device:a", "push has no --too"),
        ("-o json status", ""),
        ("logs scorer -n", "logs has no -n"),
    ],
)
def test_what_the_program_does_not_know_is_found(call: str, fault: str) -> None:
    assert fault_of(call.split()) == fault


def fragments(language: str) -> list[Any]:
    return [
        pytest.param(textwrap.dedent(block[3]), id=f"{Path(page).stem}-{number}")
        for page in PAGES
        for number, block in enumerate(_BLOCK.finditer((ROOT / page).read_text()))
        if block[2] == language
    ]


@pytest.mark.parametrize("text", fragments("toml"))
def test_what_a_page_shows_as_toml_is_a_configuration_or_a_policy(text: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(text)
    readers: list[Callable[[Path], object]] = [load, read_policy]
    refused = []
    for read in readers:
        try:
            read(path)
        except AgentError as error:
            refused.append(str(error))
    assert len(refused) == 1, refused


@pytest.mark.parametrize("text", fragments("yaml"))
def test_what_a_page_shows_as_yaml_is_a_part_of_a_manifest(text: str) -> None:
    shown = yaml.safe_load(text.replace("sha256:…", "sha256:" + "ab" * 32))
    module: dict[str, Any] = {"image": image("scorer", "a")}
    document: dict[str, Any] = {"schema": "edgetender/v1", "deployment": "line3", "version": 1}
    if set(shown) <= {"probe"}:
        module = {"variants": [{"name": "cpu", **module, **shown}]}
    elif set(shown) <= OF_A_MODULE:
        module = ({} if "variants" in shown else module) | shown
    manifest_of({**document, "modules": {"scorer": module}} | (shown if set(shown) <= WHOLE else {}))
    assert set(shown) <= WHOLE | OF_A_MODULE | {"probe"}
