"""Does the reader of console blocks see what a person sees?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.console import Command, File, Shell, agrees, steps

PAGE = """\
Text.

```python area/score.py
pass
```

```console
$ export WHO=world && cd /
$ echo hello \\
    "$WHO"
hello …
$ cat <<EOF
two
lines
EOF
…
lines
```

```sh
rm -rf not run
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_files_and_commands_come_in_order_with_what_is_expected(page: Path) -> None:
    assert list(steps(page)) == [
        File("area/score.py", "pass\n"),
        Command("export WHO=world && cd /", ""),
        Command('echo hello \\\n    "$WHO"', "hello …"),
        Command("cat <<EOF\ntwo\nlines\nEOF", "…\nlines"),
    ]


def test_one_shell_keeps_its_directory_and_variables(page: Path, tmp_path: Path) -> None:
    with Shell(tmp_path, {}) as shell:
        shell.follow(page, tmp_path)
        assert shell.run("pwd") == (0, "/\n")
    assert (tmp_path / "area/score.py").read_text() == "pass\n"


def test_another_output_or_a_failure_is_told_with_both(page: Path, tmp_path: Path) -> None:
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    with Shell(tmp_path, {}) as shell, pytest.raises(AssertionError, match=r"says\ntwo\n--- it said\none"):
        shell.follow(page, tmp_path)
    page.write_text("```console\n$ false\n```\n")
    with Shell(tmp_path, {}) as shell, pytest.raises(AssertionError, match="exit 1"):
        shell.follow(page, tmp_path)


@pytest.mark.parametrize(
    ("expected", "said", "same"),
    [
        ("a … c", "a b c\n", True),
        ("a … c", "a\nc\n", False),
        ("a\n…\nc", "a\nb\nb\nc\n", True),
        ("a\n…\nc", "a\nc\n", True),
        ("a", "a   \n", True),
        ("NAME  STATE", "NAME      STATE\n", True),
        ("", "", True),
        ("", "a\n", False),
        ("(a) [b]", "(a) [b]\n", True),
    ],
)
def test_what_agrees(expected: str, said: str, same: bool) -> None:
    assert agrees(expected, said) is same
