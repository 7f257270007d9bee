"""Which models are registered here, and what is in them? A directory of immutable versions."""

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from edgetender import durable
from edgetender.codec import canonical
from edgetender.errors import ConfigInvalid, NotFound, Permanent, Problem
from edgetender.packaging.layer import Entry, tree
from edgetender.packaging.writer import why_not_written, writer

_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}$")
_FRAMEWORKS = (
    "Onnx",
    "ScikitLearn",
    "TensorFlow",
    "PyTorch",
    "Keras",
    "Multi",
    "Custom",
)  # the original's words
_POINTER, _POINTER_BYTES = b"version https://git-lfs.github.com/spec/", 1024
_RECORD = "model.json"
_FILES = "files"


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its files are the only entry of the directory *path*'s parent, or *path* itself.

    *sha256* is of names and contents; equal hashes, equal models.
    """

    name: str
    version: int
    path: Path
    sha256: str
    framework: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    created: str | None = None

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.version}"


def check_name(name: str) -> None:
    """Raise ConfigInvalid unless models may have this name."""
    if not _NAME.match(name):
        rule = "letters, digits, '-', '.', '_', beginning with a letter or digit, at most 255"
        text = f"{name!r}: {rule}; give another with --name"
        raise ConfigInvalid((Problem("name", "model.name", text),))


def parse_model(text: str) -> tuple[str, int | None]:
    """Return name and version of `name[:version]`. Raises ConfigInvalid."""
    name, colon, number = text.partition(":")
    if colon and not (number.isdecimal() and int(number) > 0):
        raise ConfigInvalid((Problem("MODEL", "model.version", f"{number!r} is no version number"),))
    check_name(name)
    return name, int(number) if colon else None


def from_path(path: Path, name: str, version: int = 1) -> Model:
    """Return the model in a file or directory, registered nowhere. Raises ConfigInvalid, NotFound."""
    check_name(name)
    if not path.exists():
        why = "it is a link that leads nowhere" if path.is_symlink() else "there is no such file"
        raise NotFound(f"cannot find the model {path}: {why}; name a file or a directory")
    try:
        entries = _entries(path)
        if problems := _no_model(path):
            raise ConfigInvalid(problems)
        return Model(name, version, path, _hash(entries), framework_of(path))
    except OSError as error:
        why = f"cannot be read: {error.strerror}"
        raise ConfigInvalid((Problem(str(error.filename or path), "model.unreadable", why),)) from error


def _no_model(path: Path) -> tuple[Problem, ...]:
    """What a copy that went wrong leaves in a model's place."""
    files = [one for one in sorted(path.rglob("*")) if one.is_file()] if path.is_dir() else [path]
    if not any(one.stat().st_size for one in files):
        return (Problem(str(path), "model.empty", "is empty"),)
    text = "is a pointer of Git LFS, not the file; run: git lfs pull"
    return tuple(Problem(str(one), "model.pointer", text) for one in files if _is_pointer(one))


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size > _POINTER_BYTES:
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def framework_named(text: str) -> str:
    """Return the framework as it is spelled, whatever the case of *text*. Raises ConfigInvalid."""
    known = {one.lower(): one for one in _FRAMEWORKS} | {"sklearn": "ScikitLearn"}  # as it is imported
    found = known.get(text.lower().replace("-", "").replace("_", ""))
    if found is None:
        why = f"{text!r} is not one of {', '.join(_FRAMEWORKS)}"
        raise ConfigInvalid((Problem("framework", "model.framework", why),))
    return found


def framework_of(path: Path) -> str | None:
    """What the file's name gives away: ONNX and nothing else; a pickle may hold anything."""
    return "Onnx" if path.is_file() and path.suffix.lower() == ".onnx" else None


def _entries(path: Path) -> list[Entry]:
    return [Entry(path.name, path)] if path.is_file() else list(tree(path, path.name))


def _hash(entries: list[Entry]) -> str:
    """Of names, contents and links: two models that differ in any of them are two models."""
    total = sha256()
    for entry in sorted(entries, key=lambda one: one.path):
        if entry.link is not None:
            total.update(f"{entry.path}\0-> {entry.link}\n".encode())
        elif isinstance(entry.content, Path):
            with entry.content.open("rb") as stream:
                total.update(f"{entry.path}\0{file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


class ModelStore:
    """Models below *root*, made on first use: `<name>/<version>/model.json` and `files/<the model>`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def register(
        self,
        path: Path,
        name: str,
        *,
        version: int | None = None,
        framework: str | None = None,
        tags: dict[str, str] | None = None,
        properties: dict[str, str] | None = None,
        description: str | None = None,
        created: str | None = None,
    ) -> Model:
        """Keep a copy of the model as the next version, or as *version*. Safe to interrupt.

        Raises ConfigInvalid (name, a model that is empty, or the version is taken: versions never change),
        NotFound, Permanent for a full disk and the like.
        """
        try:
            return self._registered(
                path, name, version, framework=framework, tags=tags or {}, properties=properties or {},
                description=description, created=created,
            )  # fmt: skip
        except OSError as error:
            with suppress(OSError):
                (self._root / name).rmdir()  # made for this one, unless it holds others
            raise Permanent(f"cannot register {name}: {why_not_written(error, self._root)}") from error

    def _registered(self, path: Path, name: str, version: int | None, **said: Any) -> Model:
        path = Path(os.path.abspath(path))  # noqa: PTH100  "." has no name; resolve() would take a link's target
        offered = from_path(path, name, version or 1)
        folder = self._root / name
        durable.make_directory(folder)
        with TemporaryDirectory(prefix=".part-", dir=folder) as scratch:
            part = Path(scratch) / "version"
            kept = part / _FILES / path.name
            kept.parent.mkdir(parents=True)
            _copy(_entries(path), kept.parent)
            while True:
                number = version if version is not None else max(self._versions(name), default=0) + 1
                final = folder / str(number) / _FILES / path.name
                known = said | {"framework": said["framework"] or offered.framework}
                model = replace(offered, version=number, path=final, **known)
                (part / _RECORD).write_bytes(canonical(asdict(model) | {"path": path.name}))
                durable.sync_tree(part.parent)
                try:
                    part.rename(folder / str(number))
                except OSError as error:
                    if not (folder / str(number)).exists():
                        raise
                    if version is None:
                        continue  # another registration took the number in between: the next one is ours
                    text = f"{name}:{number} is registered; versions never change"
                    raise ConfigInvalid((Problem("version", "model.exists", text),)) from error
                durable.sync_directory(folder)
                return model

    def download(self, model: Model, into: Path, *, overwrite: bool = False) -> Path:
        """Copy the model into the directory *into*; return the copy, known to be what was registered.

        Raises Permanent: the copy is there already (unless *overwrite*), the store's files were changed, or *into*
        cannot be written.
        """
        try:
            return self._downloaded(model, into, overwrite=overwrite)
        except OSError as error:
            why = why_not_written(error, into, "or name another directory")
            raise Permanent(f"cannot download {model.reference}: {why}") from error

    def _downloaded(self, model: Model, into: Path, *, overwrite: bool) -> Path:
        target = into / model.path.name
        if target.exists() and not overwrite:
            raise Permanent(f"cannot download {model.reference}: {target} exists; name another directory")
        into.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part-", dir=into) as scratch:
            part = Path(scratch) / model.path.name
            _copy(_entries(model.path), part.parent)
            durable.sync_tree(part.parent)
            if _hash(_entries(part)) != model.sha256:
                text = f"{model.path} is not what was registered; register it again as a new version"
                raise Permanent(f"cannot download {model.reference}: {text}")
            if target.is_dir():
                shutil.rmtree(target)
            part.replace(target)
        durable.sync_directory(into)
        return target

    def remove(self, model: Model) -> None:
        """Take the files away. The record stays, and with it the number: no other model ever gets it.

        Safe to interrupt.
        """
        folder = self._root / model.name / str(model.version)
        gone = folder / f".removed-{writer()}"
        (folder / _FILES).rename(gone)
        shutil.rmtree(gone)

    def get(self, name: str, version: int | None = None) -> Model:
        """Return a version, the latest when none is named. Raises NotFound."""
        versions = self._present(name)
        if version is not None and version in self._versions(name) - versions:
            raise NotFound(f"cannot find the model {name}:{version}: it was removed; its number stays taken")
        if not versions:
            where = f"in {self._root}" if self._root.is_dir() else "yet; register one first"
            raise NotFound(f"cannot find the model {name!r}: none of that name is registered {where}")
        number = max(versions) if version is None else version
        if number not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise NotFound(f"cannot find the model {name}:{number}: its versions are {known}")
        folder = self._root / name / str(number)
        record: dict[str, Any] = json.loads((folder / _RECORD).read_bytes())
        return Model(**(record | {"path": folder / _FILES / record["path"]}))

    def list(self) -> tuple[Model, ...]:
        """Return every version of every model, by name and number; empty before the first is registered."""
        there = self._root.iterdir() if self._root.is_dir() else ()
        names = sorted(
            path.name for path in there if _NAME.match(path.name)
        )  # desktops leave files of their own
        return tuple(self.get(name, number) for name in names for number in sorted(self._present(name)))

    def _present(self, name: str) -> set[int]:
        return {one for one in self._versions(name) if (self._root / name / str(one) / _FILES).is_dir()}

    def _versions(self, name: str) -> set[int]:
        """Every number that is taken, also of what was removed."""
        check_name(name)
        folder = self._root / name
        return {int(p.name) for p in folder.iterdir() if p.name.isdigit()} if folder.is_dir() else set()


def _copy(entries: list[Entry], to: Path) -> None:
    """Write *entries*, what the model's hash is of, into *to*. Raises OSError at the first that cannot be written."""
    for entry in entries:
        target = to / entry.path
        if entry.link is not None:
            target.symlink_to(entry.link)
        elif isinstance(entry.content, Path):
            shutil.copy(entry.content, target)
        else:
            target.mkdir()
