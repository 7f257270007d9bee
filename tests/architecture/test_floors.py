"""Who may import whom, who may import what, and how large things may grow: the house's table, checked."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
AGENT = REPOSITORY / "agent/edgetender"
MAX_LINES = 300

WORDS = {"model", "errors", "codec", "clock", "secret", "signals", "__version__"}
PORTS = {"ports", "metrics"}
KEEPING = WORDS | {"durable"}  # they keep files
LOOP = {
    "reconciler", "memory", "executor", "observing", "puller", "prober", "uplink", "sampler", "worker",
    "snapshot", "pulse", "publisher", "eventlog", "thinning", "trends", "waking", "detector", "tidier", "scales",
}  # fmt: skip
HANDS = {
    "logs", "systemd", "lock", "delays", "host_ports", "engine", "ingest", "registry", "transports", "probes", "sinks", "store", "trust",
}  # fmt: skip
HOUSE = {
    "config", "api", "house", "receiving", "linking", "grounding", "checks", "detecting", "commands", "lifetime",
    "crashes", "heralds",
}  # fmt: skip

# What each room may import beside itself. A room is a package, or a file that lies beside the packages.
MAY_IMPORT: dict[str, set[str]] = {
    # words
    **{room: set() for room in ("errors", "clock", "secret", "signals", "durable")},
    "codec": {"errors"},
    "model": WORDS,
    "documents": WORDS,  # JSON and YAML as people write them
    "convert": WORDS,  # other products' documents
    # decisions: no port, no hand
    "decide": WORDS | {"convert"},  # what an upstream says may be such a document
    # hands: each knows words and ports, and no other hand
    "ports": {"model"},
    "metrics": WORDS,
    **dict.fromkeys(HANDS, KEEPING | PORTS),
    "transports": KEEPING | PORTS | {"documents", "convert"},  # what people write, what a twin holds
    # the loop: decides through decide, acts through ports
    **{part: WORDS | {"decide"} | PORTS | LOOP for part in LOOP},
    # the house
    "config": WORDS,
    "api": WORDS | {"checks", "pages"},
    "checks": WORDS | HANDS | PORTS | {"config", "decide", "eventlog"},
    "support": WORDS | {"api", "checks", "config", "engine"},  # the labels of what is ours
    "grounding": WORDS | PORTS | {"config", "engine", "store", "checks"},
    "linking": WORDS | PORTS | {"config", "transports", "ingest", "registry", "sinks", "metrics", "thinning"},
    "detecting": WORDS | PORTS | {"config", "probes"},
    "receiving": WORDS | PORTS | {"convert"},
    "house": WORDS | PORTS | {"decide", "config", "publisher", "eventlog", "checks"},
    "lifetime": WORDS | LOOP | {"systemd"},
    "crashes": KEEPING | PORTS | {"decide", "eventlog"},
    "heralds": WORDS | LOOP | {"systemd", "ingest", "crashes"},
    "commands": KEEPING | PORTS | {"api", "config", "support"},  # what is asked from upstream
    "daemon": KEEPING | PORTS | LOOP | HANDS | HOUSE,
    # doors
    "cli": KEEPING
    | {"trust", "api", "checks", "config", "packaging", "fleet", "documents", "support", "convert"},
    # beside
    "packaging": KEEPING | {"registry", "trust", "transports", "documents"},
    "fleet": KEEPING | {"registry", "trust", "transports", "documents", "pages"},
    "pages": set(),
}

# A command that is the agent itself, or looks with its eyes; imported when it is called.
DOORS_TO_MORE = {
    "cli/daemon.py": {"daemon"}, "cli/explain.py": {"decide"}, "cli/hardware.py": {"probes"},
    "cli/broker.py": {"transports"}, "cli/deploy.py": {"transports"}, "cli/push.py": {"transports"},
}  # fmt: skip

# Third-party libraries, and the only places that may know them.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "azure": ("transports/iothub_connection.py",),
    "click": ("cli/",),
    "cryptography": (
        "trust/ed25519.py",
        "trust/public_keys.py",
        "trust/code_signing.py",
        "fleet/hub/authority.py",
    ),
    "docker": ("engine/",),
    "opentelemetry": ("sinks/otlp.py",),
    "paho": ("transports/mqtt_connection.py", "transports/mqtt_words.py"),
    "prometheus_client": ("metrics.py",),
    "psutil": ("probes/host.py",),
    "pydantic": ("model/",),
    "requests": ("engine/", "registry/connection.py"),  # docker-py's errors are those of requests
    "rich": ("cli/",),
    "sqlite3": ("store/",),
    "starlette": ("api/app.py",),
    "urllib3": ("registry/connection.py",),
    "uvicorn": ("api/server.py", "api/connection.py"),
    "yaml": ("documents.py", "cli/", "packaging/conda_file.py"),
}

# What starts slowly is imported in functions, or in files that only its users import.
LAZY = {"azure", "cryptography", "opentelemetry", "docker", "paho", "psutil", "yaml", "uvicorn", "starlette"}

PURE = {
    "__future__", "collections", "copy", "dataclasses", "datetime", "difflib", "enum", "fnmatch", "functools", "itertools", "json",
    "math", "re", "types", "typing", "zlib",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One name imported by one file of the agent; *top*: when the file itself is imported."""

    file: str
    line: int
    name: str
    top: bool

    @property
    def package(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def room(self) -> str:
        return self.name.split(".")[1] if "." in self.name else ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"


def room_of(file: str) -> str:
    first = file.split("/", 1)[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> Iterator[Import]:
    file = path.relative_to(AGENT).as_posix()
    tree = ast.parse(path.read_text())
    deferred = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0) if module == "edgetender":
                found = [f"edgetender.{alias.name}" for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                found = [module]
            case ast.ImportFrom():
                found = ["relative"]
            case _:
                continue
        yield from (Import(file, node.lineno, name, node not in deferred) for name in found)


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return [path for path in found if not {"__pycache__", ".venv", "build"} & set(path.parts)]


IMPORTS = [one for path in sorted(AGENT.rglob("*.py")) for one in imports_of(path)]
ROOMS = sorted({room_of(path.relative_to(AGENT).as_posix()) for path in AGENT.rglob("*.py")} - {"__init__"})


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_from_the_floors_below_it_only(room: str):
    assert room in MAY_IMPORT, f"a new room: say in MAY_IMPORT what {room} may know"
    wrong = [
        str(one)
        for one in IMPORTS
        if one.package == "edgetender"
        and room_of(one.file) == room
        and one.room not in MAY_IMPORT[room] | {room} | DOORS_TO_MORE.get(one.file, set())
    ]
    assert wrong == []


def test_the_table_names_no_room_that_is_gone():
    assert set(MAY_IMPORT) <= set(ROOMS)
    assert all((AGENT / file).exists() for file in DOORS_TO_MORE)


def test_floors_do_not_go_in_circles():
    real = {
        room: {one.room for one in IMPORTS if one.package == "edgetender" and room_of(one.file) == room}
        - {room}
        for room in ROOMS
    }
    done: set[str] = set()
    while ready := {room for room in real if room not in done and real[room] & set(real) <= done}:
        done |= ready
    assert set(real) - done == set(), "these import each other"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_known_in_its_places_only(library: str):
    wrong = [
        str(one) for one in IMPORTS if one.package == library and not one.file.startswith(LIBRARIES[library])
    ]
    assert wrong == []


def test_there_is_no_library_that_nobody_decided_on():
    known = set(LIBRARIES) | {"edgetender"} | set(sys.stdlib_module_names)
    assert [str(one) for one in IMPORTS if one.package not in known] == []


@pytest.mark.parametrize("command", ["version", "status", "restart"])
def test_what_starts_slowly_is_not_imported_by_a_command_that_does_not_need_it(command: str):
    reached, waiting = set(), [AGENT / "cli/__init__.py", AGENT / f"cli/{command}.py"]
    while waiting:
        path = waiting.pop()
        for one in imports_of(path):
            if not one.top:
                continue
            reached.add(one.package)
            stem = AGENT.parent / one.name.replace(".", "/")
            for file in (stem.with_suffix(".py"), stem / "__init__.py"):
                if file.is_file() and (file, "seen") not in reached:
                    reached.add((file, "seen"))
                    waiting.append(file)
    assert reached & LAZY == set()


def test_a_decision_has_no_world():
    wrong = [
        str(one)
        for one in IMPORTS
        if one.file.startswith(("decide/", "convert/"))
        and one.package != "edgetender"
        and one.package not in PURE
    ]
    for path in sorted([*(AGENT / "decide").glob("*.py"), *(AGENT / "convert").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
            whose = getattr(getattr(node, "value", None), "id", "")
            if named in {"now", "utcnow", "today"} and whose in {"datetime", "date", "time"}:
                wrong.append(f"{path.name}:{node.lineno} asks what time it is")
            if named in {"open", "print", "input", "SystemClock"}:
                wrong.append(f"{path.name}:{node.lineno} uses {named}")
    assert wrong == []


def test_only_the_composition_root_knows_which_classes_exist():
    concrete = {
        "DockerEngine", "SqliteStore", "SqliteOutbox", "RegistryImages", "CredentialFiles", "ApiServer",
    }  # fmt: skip
    made = {
        path.relative_to(AGENT).as_posix()
        for path in AGENT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in concrete
    }
    assert {file for file in made if not file.startswith(("cli/", "packaging/", "fleet/"))} <= {
        "daemon.py",
        "checks/looking.py",  # for a command that checks a device on which no agent runs
    }


# --- sizes and names

FILES = sources("agent", "modules", "demo", "tests")


def test_no_file_is_longer_than_a_reader_s_patience():
    long = {
        path.relative_to(REPOSITORY).as_posix()
        for path in FILES
        if len(path.read_text().splitlines()) > MAX_LINES
    }
    assert long == set()


def test_no_module_is_named_for_what_its_author_did_not_know():
    vague = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "core", "base", "lib"}
    assert [path for path in FILES if path.stem in vague or path.parent.name in vague] == []


def test_every_module_of_the_agent_says_first_what_it_answers():
    silent = [
        path.relative_to(REPOSITORY).as_posix()
        for path in FILES
        if not ast.get_docstring(ast.parse(path.read_text())) and "examples" not in path.parts
    ]
    assert silent == []


def test_no_module_imports_relatively_or_everything():
    assert [str(one) for one in IMPORTS if one.name == "relative"] == []
    assert [path for path in FILES if "import *\n" in path.read_text().replace('"import *', "")] == []
