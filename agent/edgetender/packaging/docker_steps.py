"""May these Dockerfile steps stand in an image of ours? They may add anything; the server stays the server.

What is refused is what would put something else in the server's place: another entry point, another base, or
a path below the server's own prefix. Steps run as root in a shell, so a determined one gets around this; the
server's layer goes on after them, so what they wrote there would be replaced at best.
"""

import json
import re

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
_SERVERS_OWN = ("AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT", "AZUREML_MODEL_DIR", "PYTHONHOME")


def steps(text: str) -> list[tuple[int, str, str]]:
    """Return the instructions as (first line, upper-case word, rest), continuations joined, comments out."""
    found: list[tuple[int, str, str]] = []
    held, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not line.strip() and not held):
            continue
        first = first or number
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        word, _, rest = (held + line).strip().partition(" ")
        if word:
            found.append((first, word.upper(), rest.strip()))
        held, first = "", 0
    if held.strip():
        word, _, rest = held.strip().partition(" ")
        found.append((first, word.upper(), rest.strip()))
    return found


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


def exec_form(words: list[str]) -> str:
    """An ENTRYPOINT's words as Docker reads them: JSON."""
    return json.dumps(words)
