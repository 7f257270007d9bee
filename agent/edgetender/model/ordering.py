"""In which order do modules start? Who depends on whom, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgetender.errors import Problem


def dependency_faults(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Unknown names and circles in `depends_on`, each with its path, also in a manifest with other faults."""
    modules = document.get("modules")
    known = dict(_wishes(modules)) if isinstance(modules, dict) else {}
    for name, wanted in known.items():
        for index, other in enumerate(wanted):
            path = f"modules.{name}.depends_on[{index}]"
            if other not in known:
                yield Problem(path, "depends_on.unknown", f"there is no module {other!r}")
            elif way := _way(other, name, known):
                circle = " → ".join((name, *way))
                yield Problem(path, "depends_on.circle", f"each waits for the other: {circle}")


def _wishes(modules: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, module in modules.items():
        wanted = module.get("depends_on") if isinstance(module, dict) else None
        if isinstance(wanted, list | tuple):
            yield name, [one for one in wanted if isinstance(one, str)]
        else:
            yield name, []


def _way(start: str, goal: str, known: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The shortest way from *start* to *goal* along the dependencies; empty for none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:
        if way[-1] == goal:
            return way
        fresh = [one for one in known.get(way[-1], ()) if one not in seen]
        seen |= set(fresh)
        ways += [(*way, one) for one in fresh]
    return ()
