"""What of a build context stays behind? Reads `.dockerignore` by Docker's rules: the last pattern that fits decides."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from edgetender.errors import ConfigInvalid, Problem

FILE = ".dockerignore"


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns in their order, each with whether it takes back what those before it excluded."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...] = ()

    def excludes(self, path: str) -> bool:
        """Whether *path*, relative to the context and with `/`, stays behind, by itself or with a parent."""
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        excluded = False
        for pattern, takes_back in self.patterns:
            if excluded == takes_back and any(pattern.fullmatch(one) for one in above):
                excluded = not takes_back
        return excluded


def parse(text: str, name: str = FILE) -> Ignored:
    """Read the file's text. Raises ConfigInvalid with every pattern that is none."""
    patterns, problems = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        takes_back = line.strip().startswith("!")
        plain = line.strip().removeprefix("!").strip()
        at = f"{name}:{number}"
        if not plain:
            problems.append(Problem(at, "ignore.pattern", "'!' takes nothing back; write the path behind it"))
            continue
        try:
            patterns.append((_compiled(posixpath.normpath(plain).lstrip("/") or "."), takes_back))
        except re.error as error:
            problems.append(Problem(at, "ignore.pattern", f"{line.strip()!r} is no pattern: {error}"))
    if problems:
        raise ConfigInvalid(tuple(problems))
    return Ignored(tuple(patterns))


def kept(context: Path, file: str = "Dockerfile") -> frozenset[Path] | None:
    """Everything below *context* that is not ignored, and the directories it lies in; None: nothing is ignored.

    *file*.dockerignore, where there is one, counts instead of .dockerignore. Raises ConfigInvalid, OSError.
    """
    named = next((name for name in (f"{file}{FILE}", FILE) if (context / name).is_file()), None)
    if named is None:
        return None
    ignored = parse((context / named).read_text(encoding="utf-8", errors="replace"), named)
    found: set[Path] = set()
    for folder, names, files in os.walk(context):
        for name in (*names, *files):
            path = Path(folder, name)
            if not ignored.excludes(path.relative_to(context).as_posix()):
                found.add(path)
                found.update(above for above in path.parents if above.is_relative_to(context))
    return frozenset(found)


def _compiled(pattern: str) -> re.Pattern[str]:
    """`**` is any number of directories, `*` and `?` stay within one; a backslash takes what follows as it is."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if pattern.startswith("**", at):
            at += 3 if pattern.startswith("**/", at) else 2
            out += ".*" if at >= len(pattern) else "(?:.*/)?"
            continue
        if char == "[" and (end := pattern.find("]", at + 2)) > 0:
            out += "[" + pattern[at + 1 : end].replace("\\", "\\\\") + "]"
            at = end
        elif char == "\\" and at + 1 < len(pattern):
            at += 1
            out += re.escape(pattern[at])
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char))
        at += 1
    return re.compile(out, re.DOTALL)
