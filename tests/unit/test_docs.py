"""Is what newcomers read true? Generated pages are the code's, links lead somewhere, counts hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.story import STEPS
from tests.system.console import Shell

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
).stdout.split()
PAGES = LISTED or [str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.md")]


def test_what_is_generated_is_what_the_code_says_today() -> None:
    code = (
        "import runpy, json; "
        "pages = runpy.run_path('docs/generate.py')['PAGES']; "
        "print(json.dumps({path: write() for path, write in pages.items()}))"
    )
    # a process of its own: the pages import every command there is
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    stale = [path for path, text in json.loads(told.stdout).items() if (ROOT / path).read_text() != text]
    assert stale == [], "run: .venv/bin/python docs/generate.py"


@pytest.mark.skipif(
    shutil.which("groff") is None, reason="groff is not installed: apt-get install groff-base"
)
def test_the_manual_page_is_one_that_man_shows_without_a_complaint() -> None:
    words = ["groff", "-Kutf8", "-mandoc", "-Tutf8", "-ww", str(ROOT / "docs/man/edgetender.1")]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "edgetender status" in re.sub(".\b", "", shown.stdout)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file_that_is_there(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    broken = [link for link in links if link and not (ROOT / page).parent.joinpath(link).exists()]
    assert broken == []


@pytest.mark.parametrize(
    ("index", "listed"),
    [
        ("docs/how-to/README.md", "docs/how-to/*.md"),
        ("docs/adr/README.md", "docs/adr/*.md"),
        ("docs/runbooks/README.md", "docs/runbooks/*.md"),
        ("deployment-manifests/README.md", "deployment-manifests/examples/*"),
        ("modules/README.md", "modules/*/README.md"),
    ],
)
def test_an_index_lists_every_page_there_is(index: str, listed: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / index).read_text())
    named = {(ROOT / index).parent.joinpath(link).resolve() for link in links if "://" not in link}
    assert {page for page in ROOT.glob(listed) if page != ROOT / index} - named == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/adr/0")])
def test_a_decision_is_short_and_says_what_it_cost(page: str) -> None:
    text = (ROOT / page).read_text()
    assert len(text.splitlines()) <= 40
    assert {"## Context", "## Decision", "## Consequences"} <= set(text.splitlines())


def test_a_console_block_stands_where_a_test_runs_it() -> None:
    having = {page for page in PAGES if re.search(r"^ *```console$", (ROOT / page).read_text(), re.MULTILINE)}
    run = {"README.md", "docs/tutorials/first-deployment.md"}
    assert {page for page in having - run if not page.startswith("docs/how-to/")} == set()


def test_the_readme_s_console_blocks_say_what_is_true() -> None:
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with Shell(ROOT, environ) as shell:
        shell.follow(ROOT / "README.md", ROOT)


def test_the_readme_tells_the_demo_s_eight_steps_by_their_titles() -> None:
    told = re.findall(r"^(\d)\. \*\*(.+?)\*\*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [(int(number), title) for number, title in told] == [(step.number, step.title) for step in STEPS]


def test_what_the_readme_says_is_where_is_there() -> None:
    tree = (ROOT / "README.md").read_text().partition("## What is where")[2].partition("```text\n")[2]
    named = [line.split()[0] for line in tree.partition("```")[0].splitlines()]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_files_and_threads_of_the_architecture_are_those_there_are() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    named = re.findall(r"`([a-z_]+/(?:[a-z_]+/)*(?:[a-z_]+\.py)?|[a-z_]+\.py)`", page)
    agent = ROOT / "agent/edgetender"
    assert [name for name in named if not (agent / name).exists() and not (ROOT / name).exists()] == []
    threads = re.findall(r'Worker\(f?"([a-z]+)', (agent / "daemon.py").read_text())
    assert [name for name in threads if f"`{name}" not in page] == []


def test_a_change_s_file_says_its_kind() -> None:
    names = [path.name for path in ROOT.glob("changes/*") if path.name != "README.md"]
    wrong = [
        name for name in names if not re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", name)
    ]
    assert wrong == []
