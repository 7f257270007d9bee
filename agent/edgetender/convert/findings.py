"""What does a conversion have to say? Faults, which refuse it, and notes: what it changed or left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edgetender.errors import ManifestInvalid, Problem

Run = dict[str, Any]  # a module's keys in the making
UNSUPPORTED = "iotedge.unsupported"
TYPE = "iotedge.type"


@dataclass(slots=True)
class Findings:
    """Collects while a document is read; nothing that was written there goes without one or the other.

    *left_out* are paths whose author said that they may be dropped: what cannot be mapped at or below them is
    noted and no fault.
    """

    left_out: frozenset[str] = frozenset()
    faults: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    _useful: set[str] = field(default_factory=set)  # of *left_out*

    def fault(self, path: str, code: str, message: str) -> None:
        self.faults.append(Problem(path, code, message))

    def note(self, path: str, code: str, message: str) -> None:
        self.notes.append(Problem(path, code, message))

    def unsupported(self, path: str, message: str) -> None:
        """Something with an effect that a manifest cannot say."""
        named = {one for one in self.left_out if path == one or path.startswith((f"{one}.", f"{one}["))}
        if named:
            self._useful |= named
            self.note(path, "iotedge.left_out", f"left out, as asked: {message}")
        else:
            self.fault(path, UNSUPPORTED, message)

    def expect(self, value: Any, kind: type, path: str, what: str) -> bool:
        """Whether *value* is a *kind*; a fault if not. A bool is no int."""
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return True
        self.fault(path, TYPE, f"must be {what}")
        return False

    def each(self, value: Any, kind: type, path: str, what: tuple[str, str]) -> Iterator[tuple[str, Any]]:
        """(path, entry) of each *kind* in the list *value*; a fault for what is none. *what*: the list, an entry."""
        if self.expect(value, list, path, what[0]):
            for index, entry in enumerate(value):
                if self.expect(entry, kind, f"{path}[{index}]", what[1]):
                    yield f"{path}[{index}]", entry

    def check(self, reader: Callable[[Any], Any], value: Any, path: str, code: str) -> None:
        """A fault if *reader* raises ValueError on *value*."""
        try:
            reader(value)
        except ValueError as error:
            self.fault(path, code, str(error))

    def settle(self) -> None:
        """Raise ManifestInvalid with all faults, if there are any: then also for paths that were misspelled."""
        if self.faults:
            said = "nothing is refused at or below this path; it begins like those that are"
            missed = (Problem(one, "iotedge.left_out", said) for one in sorted(self.left_out - self._useful))
            raise ManifestInvalid((*self.faults, *missed))


Reader = Callable[[Any, str, Run, Findings], None]  # of one option: its value, its path, where it goes
