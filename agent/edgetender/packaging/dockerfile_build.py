"""How does a Dockerfile become an image? Without an engine where it runs no command; else by the engine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging import docker_steps, dockerignore, engine_build, oci_layout
from edgetender.packaging.compressed import unpacked
from edgetender.packaging.layer import Entry, Layer, pack, pack_stream, tree
from edgetender.packaging.oci_layout import Image
from edgetender.packaging.workspace import Workspace

# What is done here as the engine would do it; a word that is not among these makes it the engine's.
DIRECT = frozenset(
    {
        "FROM",
        "ADD",
        "COPY",
        "ENV",
        "LABEL",
        "USER",
        "WORKDIR",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    }
)
_CREATED = "1980-01-01T00:00:00Z"
_PAIR = re.compile(r'("(?:[^"\\]|\\.)*"|[\w.-]+)=("(?:[^"\\]|\\.)*"|\S*)')
_ARCHIVE = (".tar", ".tar.gz", ".tgz")


@dataclass(slots=True)
class _State:
    """The image so far."""

    config: dict[str, Any]
    layers: list[Layer] = field(default_factory=list)


class DockerfileBuilder:
    """Builds contexts; the images go to the workspace's store."""

    def __init__(self, workspace: Workspace, say: Callable[[str], None]) -> None:
        self._workspace, self._say = workspace, say

    def build(
        self, context: Path, reference: str, *, file: str = "Dockerfile", platform: str, builder: str = "auto"
    ) -> str:
        """Return the image's digest. Raises ConfigInvalid, NotFound, EngineDown, EngineRefused."""
        with self._workspace.used():
            return self._build(context.resolve(), reference, file, platform, builder)

    def _build(self, context: Path, reference: str, file: str, platform: str, builder: str) -> str:
        steps = docker_steps.steps((context / file).read_text(encoding="utf-8"))
        reasons = _needs_an_engine(steps)
        if builder == "direct" and reasons:
            raise ConfigInvalid(tuple(reasons))
        if builder == "docker" or reasons:
            engine, blobs = self._workspace.engine(), self._workspace.layers().blobs
            image = engine_build.image(
                engine, context, reference, self._say, blobs, file=file, platform=platform
            )
        else:
            image = self._direct(context, steps, platform, dockerignore.kept(context, file))
        with self._workspace.images.making(reference) as part:
            oci_layout.write(image, part, name=reference)
        return image.digest

    def _direct(
        self,
        context: Path,
        steps: list[tuple[int, str, str]],
        platform: str,
        kept: frozenset[Path] | None,
    ) -> Image:
        blobs = self._workspace.layers().blobs
        state = self._from(steps[0][2], platform)
        for number, (line, word, rest) in enumerate(steps[1:], 2):
            self._say(f"Step {number}/{len(steps)} : {word} {rest}")
            if word in {"COPY", "ADD"}:
                layer = _layer(context, kept, line, word, rest, blobs)
                state.layers.append(layer)
                history: dict[str, Any] = {"created": _CREATED, "created_by": f"{word} {rest}"}
            else:
                _configure(state.config["config"], word, rest)
                history = {"created": _CREATED, "created_by": f"{word} {rest}", "empty_layer": True}
            state.config["history"].append(history)
        state.config["rootfs"] = {"type": "layers", "diff_ids": [one.diff_id for one in state.layers]}
        return oci_layout.put_image(blobs, state.config, tuple(state.layers))

    def _from(self, name: str, platform: str) -> _State:
        self._say(f"Step 1 : FROM {name}")
        if name == "scratch":
            osname, architecture, *variant = platform.split("/")
            config: dict[str, Any] = {"os": osname, "architecture": architecture, "created": _CREATED}
            return _State(
                config | ({"variant": variant[0]} if variant else {}) | {"config": {}, "history": []}
            )
        found = self._workspace.bases(self._say).find(name, platform)
        image = oci_layout.read(found.path, platform)
        blobs = self._workspace.layers().blobs
        for one in image.layers:
            oci_layout.share(oci_layout.blob(image.blobs, one.digest), oci_layout.blob(blobs, one.digest))
        kept = {
            "config": dict(image.config.get("config") or {}),
            "history": list(image.config.get("history") or []),
        }
        return _State(dict(image.config) | kept | {"created": _CREATED}, list(image.layers))


def _needs_an_engine(steps: list[tuple[int, str, str]]) -> list[Problem]:
    found = [
        Problem(f"Dockerfile:{line}", "builder.cannot", f"{word} needs an engine: --builder docker")
        for line, word, rest in steps
        if word not in DIRECT
        or (word in {"COPY", "ADD"} and not _one_to_one(rest))
        or (word == "HEALTHCHECK" and rest != "NONE")
        or "$" in rest.replace("\\$", "")
    ]
    if not steps or steps[0][1] != "FROM" or sum(word == "FROM" for _, word, _ in steps) > 1:
        found.append(Problem("Dockerfile", "builder.cannot", "has other than one FROM, first"))
    return found


def _words(rest: str) -> list[str]:
    return [str(one) for one in json.loads(rest)] if rest.startswith("[") else rest.split()


def _one_to_one(rest: str) -> bool:
    """One source that is a plain path, one target, no options."""
    words = _words(rest)
    plain = len(words) == 2 and "://" not in words[0]  # noqa: PLR2004  from, to
    return plain and not words[0].startswith(("--", "<<")) and not set(words[0]) & set("*?[")


def _layer(
    context: Path, kept: frozenset[Path] | None, line: int, word: str, rest: str, blobs: Path
) -> Layer:
    words = _words(rest)
    source, target = context / words[0], words[1].strip("/")
    here = Path(os.path.normpath(source))
    ignored = kept is not None and here not in {*kept, context}
    if ignored or not source.resolve().is_relative_to(context.resolve()) or not source.exists():
        why = f"is ignored by {dockerignore.FILE}" if ignored and source.exists() else "is not in the context"
        raise ConfigInvalid((Problem(f"Dockerfile:{line}", "path.missing", f"{words[0]} {why}"),))
    if word == "ADD" and words[0].endswith(_ARCHIVE) and not target:
        return _archive(source, blobs)
    if source.is_dir():
        entries = list(tree(here, target, skip_caches=False, kept=kept))
    else:
        at = f"{target}/{source.name}" if words[1].endswith("/") else target
        mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
        entries = [Entry(at, source, mode=mode)]
    return pack(entries, blobs)


def _archive(source: Path, blobs: Path) -> Layer:
    """A root file system goes in as it is packed: the same layer again, if it is one of ours."""
    with unpacked(source) as stream:
        return pack_stream(stream, blobs)


def _configure(run: dict[str, Any], word: str, rest: str) -> None:
    match word:
        case "ENV":
            env = dict(pair.partition("=")[::2] for pair in run.get("Env") or ())
            run["Env"] = [f"{key}={value}" for key, value in (env | _pairs(rest)).items()]
        case "LABEL":
            run["Labels"] = {**(run.get("Labels") or {}), **_pairs(rest)}
        case "EXPOSE":
            ports: dict[str, Any] = {port if "/" in port else f"{port}/tcp": {} for port in rest.split()}
            run["ExposedPorts"] = {**(run.get("ExposedPorts") or {}), **ports}
        case "USER" | "STOPSIGNAL":
            run["User" if word == "USER" else "StopSignal"] = rest
        case "WORKDIR":
            run["WorkingDir"] = os.path.join(run.get("WorkingDir") or "/", rest)  # noqa: PTH118
        case "HEALTHCHECK":
            run.pop("Healthcheck", None)
        case _:
            words = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]
            run["Entrypoint" if word == "ENTRYPOINT" else "Cmd"] = words
            if word == "ENTRYPOINT":
                run.pop("Cmd", None)


def _pairs(rest: str) -> dict[str, str]:
    found = {_plain(key): _plain(value) for key, value in _PAIR.findall(rest)}
    if found:
        return found
    key, _, value = rest.partition(" ")
    return {key: value.strip()}


def _plain(text: str) -> str:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
