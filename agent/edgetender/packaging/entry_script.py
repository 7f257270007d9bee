"""Can this entry script serve? Reads it without running it: does it parse, are init() and run(data) there?"""

import ast
import keyword
import os
import re
from collections.abc import Iterable
from pathlib import Path

from edgetender.errors import Problem

KEY = "entryScript"
_NAME = re.compile(r"^[A-Za-z_]\w*$")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def problems(entry_script: str | None, source: Path, *, confined: bool) -> list[Problem]:
    """Return every fault of the script *entry_script* below *source*; *confined*: it must lie inside."""
    if not entry_script:
        return [Problem(KEY, "value.missing", "is required: the Python file with init() and run()")]
    path = source / entry_script
    if path.suffix != ".py":
        return [Problem(KEY, "script.name", f"{entry_script!r} is no .py file")]
    if not _NAME.match(path.stem) or keyword.iskeyword(path.stem):
        return [Problem(KEY, "script.name", f"{path.stem!r} is no name Python can import")]
    if not path.is_file():
        return [Problem(KEY, "path.missing", f"{path} is no file")]
    if confined and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(source)):
        return [Problem(KEY, "script.outside", f"{path} is not inside {source}")]
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        return [Problem(KEY, "file.unreadable", f"{path}: {error.strerror}")]
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        why = getattr(error, "msg", None) or error
        return [Problem(f"{KEY}:{path.name}:{line}", "script.syntax", f"does not parse: {why}")]
    return _code_problems(path.name, tree)


def _code_problems(file: str, tree: ast.Module) -> list[Problem]:
    functions: dict[str, _Function] = {}
    names: set[str] = set()
    _look(tree.body, functions, names)
    found = [
        Problem(KEY, "script.function", f"{file} defines no {name}()")
        for name in ("init", "run")
        if name not in names and "*" not in names
    ]
    run = functions.get("run")
    if run is not None and not run.decorator_list:  # a decorator may give it another signature
        at = f"{KEY}:{file}:{run.lineno}"
        if run.args.posonlyargs or run.args.vararg or run.args.kwarg:
            text = "run() may not take *args, **kwargs or positional-only arguments"
            found.append(Problem(at, "script.argument", text))
        elif not {one.arg for one in (*run.args.args, *run.args.kwonlyargs)} - {"request_headers"}:
            found.append(Problem(at, "script.argument", "run() takes no argument"))
    return found


def _look(body: Iterable[ast.stmt], functions: dict[str, _Function], names: set[str]) -> None:
    """Collect what the module binds, also in branches: `try: from fast import run`, `if …: def run`."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions[node.name] = node
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names.update(alias.asname or alias.name for alias in node.names)
            case ast.Assign(targets=targets):
                names.update(n.id for one in targets for n in ast.walk(one) if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                for part in ("body", "orelse", "finalbody"):
                    _look(getattr(node, part, ()), functions, names)
                for handler in getattr(node, "handlers", ()):
                    _look(handler.body, functions, names)
