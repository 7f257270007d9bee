"""How does the scoring server get into an image? In a prefix of its own that nothing can shadow."""

import importlib.util
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import NotFound
from edgetender.packaging.environment import Spec
from edgetender.packaging.layer import Entry, tree

PREFIX = "opt/edgetender-scoring"
ENVIRONMENT = "opt/environment"
_LAUNCHER = f'''"""Starts the scoring server: its own modules, then the environment's, then the base's."""

import os
import site
import sys

before = list(sys.path)
site.addsitedir("/{ENVIRONMENT}")  # .pth files count, as in any site directory
added = [path for path in sys.path if path not in before]
extra = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
packages = [n for n, path in enumerate(before) if path.endswith("-packages")]
at = packages[0] if packages else len(before)
sys.path[:] = before[:at] + extra + added + before[at:]

from edgetender_scoring.cli import main  # noqa: E402

sys.exit(main())
'''


@dataclass(frozen=True, slots=True)
class Server:
    """The server's source and what it needs: *package* is the directory `edgetender_scoring`."""

    package: Path
    version: str
    spec: Spec

    def key(self, environment_key: str) -> str:
        """The layer's identity: the server's files, and its wheels' key."""
        files = sorted((entry.path, sha256_hex(_bytes(entry))) for entry in self.entries() if entry.content)
        return sha256_hex(canonical([environment_key, [list(pair) for pair in files]]))

    def entries(self) -> Iterator[Entry]:
        """The server's own files, in its prefix."""
        yield from tree(self.package, f"{PREFIX}/{self.package.name}")
        yield Entry(f"{PREFIX}/__main__.py", _LAUNCHER.encode(), mode=0o644)


def _bytes(entry: Entry) -> bytes:
    return entry.content.read_bytes() if isinstance(entry.content, Path) else entry.content or b""


def find(source: Path | None = None) -> Server:
    """Return the server: *source* (a project directory), else the installed one, else this repository's.

    Raises NotFound.
    """
    if source is None:
        spec = importlib.util.find_spec("edgetender_scoring")
        if spec is not None and spec.origin is not None:
            source = Path(spec.origin).parent.parent
        else:
            source = Path(__file__).resolve().parents[3] / "modules" / "scoring"
    package = source / "edgetender_scoring"
    if not (package / "__main__.py").is_file():
        raise NotFound(f"cannot find the scoring server in {source}; name its project by --server-source")
    return Server(package, _version(package), Spec(_requirements(source)))


def _version(package: Path) -> str:
    scope: dict[str, str] = {}
    for line in (package / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__"):
            scope["version"] = line.split('"')[1]
    return scope.get("version", "0")


def _requirements(source: Path) -> tuple[str, ...]:
    """Pinned ones where the project has them, else what it declares."""
    pinned = source / "requirements.txt"
    if pinned.is_file():
        return tuple(line for line in pinned.read_text(encoding="utf-8").splitlines() if line[:1] not in "# ")
    project = source / "pyproject.toml"
    if project.is_file():
        table = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        return (*table["dependencies"], *table["optional-dependencies"]["fast"])
    return _installed_requirements()


def _installed_requirements() -> tuple[str, ...]:
    from importlib.metadata import requires, version

    names = ("httptools", "orjson", "uvloop")
    known = " ".join(requires("edgetender-scoring") or ())
    return tuple(f"{name}=={version(name)}" for name in names if name in known)
