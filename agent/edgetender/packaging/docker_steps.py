"""May these Dockerfile steps stand in an image of ours? They may add anything; the server stays the server.

What is refused is what would put something else in the server's place: another entry point, another base, or
a path below the server's own prefix. Steps run as root in a shell, so a determined one gets around this; the
server's layer goes on after them, so what they wrote there would be replaced at best.
"""

import re
from collections.abc import Iterator

from edgetender.errors import Problem

KEY = "extraDockerfileSteps"
SERVER_PREFIX = "/opt/edgetender-scoring"
_REFUSED = {
    "FROM": "the base image is baseImage's to name",
    "ENTRYPOINT": "the entry point is the server's",
    "CMD": "the command is the server's",
    "STOPSIGNAL": "the server drains on SIGTERM",
    "ONBUILD": "nothing is built on this build",
    "HEALTHCHECK": "the agent probes the server itself",
}
_ALLOWED = frozenset(
    {"RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "USER", "WORKDIR", "EXPOSE", "VOLUME", "SHELL"}
)
_HEREDOC = re.compile(r"(?:^|\s)\d*<<(-?)([\"']?)([A-Za-z_][\w.]*)\2(?=\s|$)")
_SERVERS_OWN = ("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR", "PYTHONHOME")


def steps(text: str) -> list[tuple[int, str, str]]:
    """Return the instructions as (first line, upper-case word, rest), continuations joined, comments out.

    A here-document is part of the rest, with its line breaks.
    """
    found: list[tuple[int, str, str]] = []
    held, first = "", 0
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if line.lstrip().startswith("#") or (not line.strip() and not held):
            continue
        first = first or number
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        word, _, rest = (held + line).strip().partition(" ")
        if word:
            body = "".join(_here_document(lines, end, tabs) for tabs, end in heredocs(word.upper(), rest))
            found.append((first, word.upper(), rest.strip() + body))
        held, first = "", 0
    if held.strip():
        word, _, rest = held.strip().partition(" ")
        found.append((first, word.upper(), rest.strip()))
    return found


def heredocs(word: str, rest: str) -> list[tuple[bool, str]]:
    """The here-documents that an instruction opens: whether tabs before the end count not, and the end."""
    if word not in {"RUN", "COPY", "ADD"}:
        return []
    return [(bool(match[1]), match[3]) for match in _HEREDOC.finditer(rest)]


def _here_document(lines: Iterator[tuple[int, str]], end: str, tabs: bool) -> str:
    body = ""
    for _, line in lines:
        body += f"\n{line}"
        if (line.lstrip("\t") if tabs else line) == end:
            break
    return body


def problems(text: str) -> list[Problem]:
    """Return what cannot be taken, each with its line."""
    found: list[Problem] = []
    for line, word, rest in steps(text):
        at = f"{KEY}:{line}"
        if word in _REFUSED:
            found.append(Problem(at, "step.refused", f"{word} may not be set: {_REFUSED[word]}"))
        elif word not in _ALLOWED:
            found.append(Problem(at, "step.unknown", f"{word} is no Dockerfile instruction"))
        elif _touches_server(rest):
            text = f"{word} touches {SERVER_PREFIX}: that is the server's own, nothing else goes there"
            found.append(Problem(at, "step.server", text))
        elif word == "ENV" and (name := _set_of_ours(rest)):
            found.append(Problem(at, "step.server", f"{name} is set by the packaging itself"))
    return found


def _touches_server(rest: str) -> bool:
    """As text, and with quotes and doubled or dotted separators out of the way."""
    plain = re.sub(r"/(\./)*/*", "/", re.sub(r"[\"'\\]", "", rest))
    return SERVER_PREFIX in plain or "edgetender_scoring" in plain or "edgetender-scoring" in plain


def _set_of_ours(rest: str) -> str | None:
    words = re.findall(r'([A-Za-z_]\w*)=(?:"(?:[^"\\]|\\.)*"|\S*)', rest) or rest.split(" ", 1)[:1]
    return next((name for name in words if name in _SERVERS_OWN), None)
