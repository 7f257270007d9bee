"""What goes into the archive: one file after the other, each through the redactor; what fails is told in it."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from edgetender.api.client import Client, Unreachable
from edgetender.errors import AgentError
from edgetender.support.collecting import (
    COMMANDS,
    Missing,
    inspected,
    journal,
    plugins,
    run_program,
    versions,
)
from edgetender.support.redacting import Redactor, fingerprint, secret_values, without_environment

_DOCUMENTS = {
    "status.json": "/v1/status",
    "checks.json": "/v1/checks",
    "history.json": "/v1/history?limit=50",
    "hardware.json": "/v1/hardware",
    "trends.json": "/v1/trends",
    "metrics.txt": "/metrics",
}
_LOG_LINES = 2000
_SECRET_KEYS = ("password", "secret", "token", "username")
_README = """\
edgetender support bundle of {device}, {at}, made by edgetender {version}

Passwords, tokens, keys and the values of environment variables are not in here: they are replaced by *** or by
the beginning of their sha256. Names, addresses and what modules wrote into their logs are; look before you share.

{problems}
"""


class Bundle:
    """One archive in the making. *secrets* are blackened wherever they stand. *since* and *until* are the agent's
    log's, as journalctl takes them; modules' logs only *with_modules*. *engine* is where the agent's engine answers.
    """

    def __init__(
        self,
        client: Client,
        secrets: set[str],
        *,
        since: str,
        plugin_folder: Path,
        engine: str = "",
        until: str = "",
        with_modules: bool = True,
    ) -> None:
        self._engine = engine
        self._client, self._since, self._until, self._plugins = client, since, until, plugin_folder
        self._with_modules = with_modules
        self._secrets = set(secrets)
        self._redactor = Redactor(secrets)
        self.problems: list[str] = []

    def write(self, stream: IO[bytes], root: str, now: datetime, version: str) -> None:
        """Write a gzipped tar to *stream*, everything below *root*; the README with the problems is last."""
        with tarfile.open(fileobj=stream, mode="w|gz") as archive:
            for name, text in self._files():
                _add(archive, f"{root}/{name}", self._redactor.text(text), now)
            told = "\n".join(f"not in here: {problem}" for problem in self.problems) or "It is complete."
            readme = _README.format(device=root, at=now.isoformat(), version=version, problems=told)
            _add(archive, f"{root}/README.txt", self._redactor.text(readme), now)

    def _files(self) -> Iterator[tuple[str, str]]:
        status = self._asked("/v1/status")
        yield from self._containers(status)
        for name, target in _DOCUMENTS.items():
            if (body := self._asked(target)) is not None:
                yield name, _pretty(body)
        yield from self._facts()
        yield from self._plan()
        yield from self._config()
        yield from self._events()
        for module in json.loads(status)["modules"] if status and self._with_modules else ():
            yield from self._log(module["name"])
        for name, words in COMMANDS.items():
            yield from self._said(name, partial(run_program, words, engine=self._engine))
        yield "versions.txt", versions()
        yield from self._said("agent.log", lambda: journal(self._since, self._until))
        if (body := self._asked("/v1/log")) is not None:
            yield "agent-newest.log", body.decode(errors="replace")
        for name, text in plugins(self._plugins):
            yield f"plugins/{name}.txt", text

    def _containers(self, status: bytes | None) -> Iterator[tuple[str, str]]:
        """First, because environments name secrets that logs may hold."""
        if status is None:
            return
        try:
            found = inspected(json.loads(status)["device"], self._engine)
        except Missing:
            return
        self._secrets |= secret_values(found)
        self._redactor = Redactor(self._secrets)
        yield "engine/inspect.json", json.dumps(without_environment(found), indent=2)

    def _facts(self) -> Iterator[tuple[str, str]]:
        """For `explain --facts`: whole but for the names of credentials, which would be blackened and then no names."""
        if (body := self._asked("/v1/facts")) is None:
            return
        document = json.loads(body)
        for registry in ((document.get("manifest") or {}).get("registries") or {}).values():
            registry.pop("credential", None)
        yield "facts.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _plan(self) -> Iterator[tuple[str, str]]:
        """What the agent is about to do, and the verdict on each variant."""
        if (body := self._asked("/v1/page")) is not None:
            page = json.loads(body)
            yield "plan.json", json.dumps({key: page[key] for key in ("plan", "variants")}, indent=2) + "\n"

    def _config(self) -> Iterator[tuple[str, str]]:
        if (body := self._asked("/v1/config")) is None:
            return
        rows = []
        for one in json.loads(body)["values"]:
            hidden = one["value"] and one["key"].rpartition(".")[2] in _SECRET_KEYS
            shown = fingerprint(str(one["value"])) if hidden else json.dumps(one["value"])
            rows.append(f"{one['key']} = {shown}    # {one['origin']}")
        yield "config.txt", "\n".join(rows) + "\n"

    def _events(self) -> Iterator[tuple[str, str]]:
        yield from self._said("events.ndjson", lambda: _lines(self._client, "/v1/events?limit=256"))

    def _log(self, module: str) -> Iterator[tuple[str, str]]:
        target = f"/v1/logs/{module}?tail={_LOG_LINES}"
        yield from self._said(f"logs/{module}.log", lambda: _lines(self._client, target))

    def _said(self, name: str, ask: Callable[[], str]) -> Iterator[tuple[str, str]]:
        try:
            yield name, ask()
        except Missing:
            return
        except (AgentError, OSError) as error:
            self._note(name, error)

    def _asked(self, target: str) -> bytes | None:
        try:
            return self._client.get(target)
        except AgentError as error:
            self._note(target, error)
            return None

    def _note(self, what: str, error: Exception) -> None:
        """An agent that does not answer is one problem, not one for each question."""
        told = f"what the agent knows: {error}" if isinstance(error, Unreachable) else f"{what}: {error}"
        if told not in self.problems:
            self.problems.append(told)


def _lines(client: Client, target: str) -> str:
    return "".join(f"{line}\n" for line in client.lines(target))


def _pretty(body: bytes) -> str:
    try:
        document: Any = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _add(archive: tarfile.TarFile, name: str, text: str, now: datetime) -> None:
    data = text.encode(errors="replace")
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(data), int(now.timestamp()), 0o600
    archive.addfile(entry, io.BytesIO(data))
