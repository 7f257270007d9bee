"""Writes docs/reference/ and the manifest's schema from the code, so that neither can be wrong for long.

`python docs/generate.py` writes; `tests/unit/test_docs.py` fails while what is on disk differs.
"""  # noqa: INP001  a program, not a package

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from edgetender import errors
from edgetender.checks import all_checks
from edgetender.cli import COMMANDS, cli
from edgetender.cli.output import Exit
from edgetender.config import settings
from edgetender.metrics import CATALOGUE
from edgetender.model.policy import Policy
from edgetender.model.schema import manifest_schema

sys.path.insert(0, str(Path(__file__).parent))  # also where another program runs this one
from man_page import manual
from manifest_page import manifest, section
from markdown import flowing, page, table
from topics_page import topics

ROOT = Path(__file__).resolve().parents[1]

_KEYS = {"registries": "HOST[:PORT]", "streams": "NAME"}


def policy() -> str:
    schema = Policy.model_json_schema()
    sections = [
        f"## `[{name}]`\n\n"
        + section(name, schema["$defs"][item["$ref"].rpartition("/")[2]]).partition("\n\n")[2]
        for name, item in schema["properties"].items()
    ]
    intro = (
        "`/etc/edgetender/policy.toml` (`trust.policy`), root's own: what manifests may ask of this device, whoever "
        "signed them. A manifest that asks for more is refused whole, every wish with its path; what runs goes on. "
        "Without a file every key has its default: modules are reached from this device alone. A file that cannot be "
        "read, or that others can change, lets no manifest in. What no manifest can ask for needs no rule: privileges, "
        "capabilities that reach the host, host paths, host namespaces, devices by path, sysctls, security "
        "options, other runtimes."
    )
    return page("The device's policy", "agent/edgetender/model/policy.py", intro, *sections)


# --- the configuration ---------------------------------------------------------------------------------------


def configuration() -> str:
    intro = (
        "TOML, in `/etc/edgetender/config.toml` and then `/etc/edgetender/conf.d/*.toml` in the order of their "
        "names, later ones winning; or one file alone, named by `--config` or `$EDGETENDER_CONFIG`. "
        "`edgetender config check` names every fault with its line, `edgetender config show --origin` prints "
        "every value and the line it comes from. An unknown key is a fault."
    )
    return page("Configuration", "agent/edgetender/config/settings.py", intro, *_tables())


def _tables() -> Iterator[str]:
    hints = get_type_hints(settings.Settings, include_extras=True)
    mine = [one for one in fields(settings.Settings) if one.name != "origins"]
    plain = [one for one in mine if len(get_args(hints[one.name])) > 2]  # noqa: PLR2004  type, check, meaning
    yield _setting_table("At the top", "", plain, hints)
    for one in mine:
        hint = hints[one.name]
        of = hint if is_dataclass(hint) else get_args(hint)[1] if get_args(hint) else None
        if one in plain or not isinstance(of, type) or not is_dataclass(of):
            continue
        name = f"[{one.name}]" if is_dataclass(hint) else f'[{one.name}."{_KEYS[one.name]}"]'
        yield _setting_table(
            f"`{name}`", of.__doc__ or "", fields(of), get_type_hints(of, include_extras=True)
        )
    labels = "Any names with texts: the operator's notes. `config show` shows them; nothing acts on them."
    yield f"## `[labels]`\n\n{labels}"


def _setting_table(title: str, said: str, found: Iterable[Field[Any]], hints: dict[str, Any]) -> str:
    rows = []
    for one in found:
        _, check, meaning = get_args(hints[one.name])
        default = "the host's name" if one.default is MISSING else _spelled(one.default)
        rows.append((f"`{one.name}`", check.__doc__ or "", default, meaning))
    head = [f"## {title}", *filter(None, [flowing(said)])]
    return "\n\n".join([*head, table(("key", "value", "default", "meaning"), rows)])


def _spelled(value: Any) -> str:
    if value is None:
        return ""
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


# --- figures, codes, errors, commands ------------------------------------------------------------------------


def metrics() -> str:
    rows = [
        (
            f"`edgetender_{one.name}{'_total' if one.kind == 'counter' else ''}`",
            one.kind,
            ", ".join(f"`{label}`" for label in one.labels),
            one.help,
        )
        for one in CATALOGUE
    ]
    intro = (
        "`GET /metrics` on `api.listen` (127.0.0.1:8787), Prometheus text format. Besides these: "
        "`edgetender_build_info{version,python}`, and `process_*` of the agent's own process. "
        "Figures of the device and of containers are those of the last sample (`telemetry.interval_s`)."
    )
    return page(
        "Metrics",
        "agent/edgetender/metrics.py",
        intro,
        table(("name", "kind", "labels", "meaning"), rows),
    )


def exit_codes() -> str:
    rows = [(f"{int(one)}", f"`{one.name}`", one.meaning) for one in Exit]
    intro = "The same for every command; scripts may branch on them."
    return page(
        "Exit codes", "agent/edgetender/cli/output.py", intro, table(("code", "name", "meaning"), rows)
    )


def error_codes() -> str:
    said = dict(re.findall(r"── (\w+) +(.*)", errors.__doc__ or ""))
    rows = []
    for kind in (errors.Transient, errors.Permanent, errors.Fault):
        rows += [
            (f"`{one.code}`", f"`{one.__name__}`", kind.__name__.lower(), said.get(one.__name__, ""))
            for one in _below(kind)
            if one.__module__ == errors.__name__ and one is not errors.WithProblems
        ]
    intro = (
        "One class per reaction. *transient*: tried again by itself, after a pause that grows from 1 s to 5 min. "
        "*permanent*: the same input fails again; a person or a new manifest must act (a pull is still retried, "
        "because a registry can change). *fault*: the daemon stops, systemd starts it again. The code stands as "
        "`code` beside a module's `why` in `edgetender status -o json` and upstream, and in the API's errors. "
        "`ManifestRefused` carries one of its own: `manifest.rollback`, `manifest.equivocation`, "
        "`manifest.condemned`."
    )
    return page(
        "Errors", "agent/edgetender/errors.py", intro, table(("code", "class", "kind", "meaning"), rows)
    )


def _below(kind: type[errors.AgentError]) -> Iterator[type[errors.AgentError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def commands() -> str:
    shared = (
        "The first three options stand before a command or, where it takes them, after it; they are said once. "
        "Every command also takes `-h`."
    )
    parts = [shared, _help(cli, "edgetender")]
    for name, (place, _) in COMMANDS.items():
        module, attribute = place.split(":")
        command = getattr(import_module(f"edgetender.cli.{module}"), attribute)
        parts += [f"## {name}", _help(command, f"edgetender {name}")]
        if isinstance(command, click.Group):
            parts += [_help(each, f"edgetender {name} {word}") for word, each in command.commands.items()]
    return page("Commands", "agent/edgetender/cli/", *parts)


def _help(command: click.Command, name: str) -> str:
    shown = copy.copy(command)
    if command is not cli:
        shown.params = [one for one in command.params if one.expose_value]  # the shared options are not
        shown.add_help_option = False
    names = {"terminal_width": 100, "max_content_width": 100, "help_option_names": ["-h", "--help"]}
    return f"```text\n{shown.get_help(click.Context(shown, info_name=name, **names)).rstrip()}\n```"


def checks() -> str:
    intro = (
        "`edgetender check` asks them all, `edgetender check ID` one; the agent does so by itself every hour "
        "(`checks.interval_s`). A finding is ok, a warning or an error, and names the command that repairs it. "
        "The metric `edgetender_check_status{check}` is 0, 1 or 2 accordingly; a check that begins to fail, or to "
        "warn, is an event upstream, `check.failed` or `check.warned`, and `check.passed` when it is well again. "
        "`--fix` repairs where *safe "
        "fix* says yes: nothing is deleted, nothing restarted."
    )
    parts = [
        f"## {one.id}\n\n**{one.title}** ({one.group}"
        + (f"; passed over while {' or '.join(one.needs)} fails" if one.needs else "")
        + f"; safe fix: {'yes' if one.fix else 'no'}). {one.why}"
        for one in all_checks()
    ]
    return page("Checks", "agent/edgetender/checks/", intro, *parts)


def schema() -> str:
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/manifest.md": manifest,
    "docs/reference/policy.md": policy,
    "docs/reference/configuration.md": configuration,
    "docs/reference/metrics.md": metrics,
    "docs/reference/topics.md": topics,
    "docs/reference/exit-codes.md": exit_codes,
    "docs/reference/errors.md": error_codes,
    "docs/reference/checks.md": checks,
    "docs/reference/cli.md": commands,
    "docs/man/edgetender.1": manual,
    "deployment-manifests/schema/edgetender-v1.schema.json": schema,
}


if __name__ == "__main__":
    for path, write in PAGES.items():
        (ROOT / path).write_text(write())
