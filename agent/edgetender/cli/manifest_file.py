"""A manifest in a file: what it says, and on which line each fault of it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgetender.api.client import Answered
from edgetender.cli.output import Exit, say
from edgetender.codec import MAX_BYTES, canonical
from edgetender.errors import ManifestInvalid, Permanent, Problem, WithProblems

if TYPE_CHECKING:
    from edgetender.documents import Document
    from edgetender.model.signed import Root

_PLACE = re.compile(r" at line (\d+) column (\d+)$")

FILE = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)


class ManifestFile:
    """JSON or YAML in a file, or on stdin (`-`)."""

    def __init__(self, file: Path) -> None:
        self.name = "stdin" if str(file) == "-" else str(file)
        self._file = file
        self._document: Document | None = None

    def document(self) -> Document:
        """What the file says. Raises ManifestInvalid."""
        from edgetender.documents import load_document

        if self._document is None:
            stdin = self.name == "stdin"
            self._document = load_document(sys.stdin.buffer.read(MAX_BYTES + 1) if stdin else self._file)
        return self._document

    @property
    def file(self) -> Path | None:
        """None for stdin."""
        return None if self.name == "stdin" else self._file

    def lengthened(self, ends: Mapping[str, str]) -> ManifestFile:
        """The file anew, after *ends* were written behind the values of their paths, its comments kept.

        Raises ManifestInvalid, with the file left as it is, for those that do not stand on a line with their keys;
        Permanent where it cannot be written.
        """
        from edgetender import durable
        from edgetender.documents import lengthened, load_document

        document, text = self.document(), self._file.read_text("utf-8")
        written = lengthened(text, document, ends)
        found = load_document(written.encode(), str(self._file))
        left = tuple(
            Problem(path, "image.tag", f"cannot be written here; put {end} behind it by hand")
            for path, end in ends.items()
            if not str(found.text_at(path)).endswith(end)
        )
        if left:
            raise ManifestInvalid(left)
        if _without(canonical(found.value), ends) != _without(canonical(document.value), ends):
            raise Permanent(f"cannot write {self._file}: more than its tags would change; write them by hand")
        try:
            durable.replace(self._file.resolve(), written.encode(), mode=self._file.stat().st_mode & 0o777)
        except OSError as error:
            raise Permanent(
                f"cannot write {self._file}: {error.strerror}; what it says is unchanged"
            ) from error
        return ManifestFile(self._file)

    @property
    def is_iotedge(self) -> bool:
        """Whether it is an Azure IoT Edge deployment, which has no version. Raises ManifestInvalid."""
        from edgetender.convert.iotedge import is_iotedge

        return is_iotedge(self.document().value)

    def numbered(self, version: int | None) -> int:
        """The version it is read as, where `--version` said *version*. Raises UsageError, ManifestInvalid."""
        if version is None and self.is_iotedge:
            raise click.UsageError("an IoT Edge deployment has no version of its own: say which by --version")
        if version is not None and not self.is_iotedge:
            raise click.UsageError("--version is for an IoT Edge deployment; a manifest has its own")
        return version or 1

    @property
    def is_signed(self) -> bool:
        """Whether it is an envelope, as `edgetender sign` writes it. Raises ManifestInvalid."""
        from edgetender.trust.envelope import is_envelope

        return is_envelope(self.document().value)

    @property
    def root(self) -> Root | None:
        """The trust root it is, whoever signed it; None for anything else. Raises ManifestInvalid, TrustRefused."""
        from edgetender.trust.verification import first_root, is_root

        body = canonical(self.document().value)
        return first_root(body) if is_root(body) else None

    def value(self, version: int = 1) -> Any:
        """The manifest; an IoT Edge deployment is converted, as *version*; signatures are not verified.

        Raises ManifestInvalid, TrustRefused.
        """
        from edgetender.convert.iotedge import convert
        from edgetender.trust.verification import unverified

        value = self.document().value
        if self.is_signed:
            return unverified(canonical(value)).manifest
        return convert([value], version=version).manifest if self.is_iotedge else value

    def body(self, version: int = 1) -> bytes:
        """The manifest in one spelling. Raises ManifestInvalid, TrustRefused."""
        return canonical(self.value(version))

    def wire(self, version: int = 1) -> bytes:
        """What a device is given: the manifest, or the envelope around it. Raises ManifestInvalid."""
        return canonical(self.document().value) if self.is_signed else self.body(version)

    def located(self, problem: Problem) -> tuple[int, int] | None:
        """Line and column of *problem*, from 1, where they are known."""
        if (said := _PLACE.search(problem.message)) is not None:  # what cannot be read has no path
            return int(said[1]), int(said[2])
        return self._document.position_of(problem.path) if self._document else None

    def say(self, problems: Iterable[Problem], kind: str = "error") -> None:
        """One line for each: `file:line:column  error  path: message [code]`; editors jump there."""
        found = sorted(problems, key=lambda problem: self.located(problem) or (0, 0))
        for problem in found:
            place = self.located(problem)
            where = f"{self.name}:{place[0]}:{place[1]}" if place else self.name
            what = Problem(problem.path, problem.code, _PLACE.sub("", problem.message))
            say(f"{where}  {kind}  {what} [{problem.code}]")
        say(f"1 {kind}" if len(found) == 1 else f"{len(found)} {kind}s")

    @contextmanager
    def faults_located(self) -> Iterator[None]:
        """Faults of the manifest, found here or by the agent, are said with their places: exit 6."""
        try:
            yield
        except (WithProblems, Answered) as error:
            if not error.problems:
                raise
            self.say(error.problems)
            raise click.exceptions.Exit(Exit.INVALID) from error


def _without(body: bytes, ends: Mapping[str, str]) -> bytes:
    for end in ends.values():
        body = body.replace(end.encode(), b"")
    return body
