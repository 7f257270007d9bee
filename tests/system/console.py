"""Runs the blocks of a page in one shell: of ```console each `$ command`, what it says compared; of ```sh each line."""

from __future__ import annotations

import os
import re
import select
import subprocess
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_HERE_DOCUMENT = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_END = "\x01"


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a reader types it, and what the page says comes back."""

    text: str
    expected: str


@dataclass(frozen=True, slots=True)
class File:
    """A block whose fence names a file (```python area/score.py): the reader writes it."""

    path: str
    content: str


def steps(page: Path, *, scripts: bool = False) -> Iterator[Command | File]:
    """What a reader of *page* does, in order; with *scripts* also the lines of ```sh, whatever they say."""
    for block in _BLOCK.finditer(page.read_text()):
        language, _, name = block["info"].partition(" ")
        text = textwrap.dedent(block["text"])
        if language == "console":
            yield from _commands(text.splitlines())
        elif language == "sh" and scripts:
            yield from _script(text.splitlines())
        elif name:
            yield File(name, text)


def _commands(lines: list[str]) -> Iterator[Command]:
    position = 0
    while position < len(lines):
        assert lines[position].startswith("$ "), f"output without a command: {lines[position]!r}"
        command = [lines[position][2:]]
        position += 1
        end = _HERE_DOCUMENT.search(command[0])
        while (end and command[-1] != end[1]) or (not end and command[-1].endswith("\\")):
            command.append(lines[position])
            position += 1
        expected = []
        while position < len(lines) and not lines[position].startswith("$ "):
            expected.append(lines[position])
            position += 1
        yield Command("\n".join(command), "\n".join(expected))


def _script(lines: list[str]) -> Iterator[Command]:
    while lines:
        command = [lines.pop(0)]
        end = _HERE_DOCUMENT.search(command[0])
        while (end and command[-1] != end[1]) or (not end and command[-1].endswith(("\\", "|"))):
            command.append(lines.pop(0))
        yield Command("\n".join(command), "…")


def agrees(expected: str, said: str) -> bool:
    """Line by line; `…` stands for anything within a line, a line of `…` alone for any lines, none too.

    How far columns stand apart does not count: it follows the widest cell, which differs from run to run.
    """
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line.strip() == "…" else re.escape(_plain(line)).replace("…", "[^\n]*") + "\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in said.splitlines())) is not None


def _plain(line: str) -> str:
    return re.sub(" +", " ", line.rstrip())


class Shell:
    """One bash for all commands of a page, for a `with` block; stdout and stderr come as one text."""

    def __init__(self, directory: Path, environ: Mapping[str, str], *, within: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [*within, "bash", "--norc", "--noprofile"],
            cwd=directory,
            env=os.environ | {"LC_ALL": "C.UTF-8", "COLUMNS": "200"} | dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(self, command: str, *, within_s: float = 120) -> tuple[int, str]:
        """Return the exit code and what was said. A command reads nothing from the shell's own input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        script = f"{{ {command}\n}} </dev/null\nprintf '{_END}%s{_END}' $?\n"
        self._process.stdin.write(script.encode())
        said, deadline = b"", time.monotonic() + within_s
        while said.count(_END.encode()) < 2:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._process.stdout], [], [], left)
            chunk = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"no end of {command!r} within {within_s:g} s; so far:\n{said.decode()}"
            said += chunk
        text, code, _ = said.decode().split(_END)
        return int(code), text

    def follow(self, page: Path, directory: Path) -> None:
        """Do all that *page* asks for, files below *directory*; fail where it says something else."""
        for step in steps(page):
            if isinstance(step, File):
                path = directory / step.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.content)
                continue
            self.obey(step, page)

    def obey(self, command: Command, page: Path) -> None:
        """Fail where *command* fails, or says something else than *page*."""
        code, said = self.run(command.text)
        told = f"{page.name}: $ {command.text}\n--- the page says\n{command.expected}\n--- it said\n{said}"
        assert code == 0, f"exit {code}\n{told}"
        assert agrees(command.expected, said), told
