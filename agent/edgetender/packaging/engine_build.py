"""Who on this machine builds a Dockerfile? The engine by its API; what only BuildKit reads, docker's own program.

BuildKit is spoken to over a connection that is taken over by gRPC: the docker program does that well, so nothing here
does it again. podman reads the same Dockerfiles by Docker's plain API.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from edgetender.errors import ConfigInvalid, EngineRefused, Problem
from edgetender.packaging import docker_steps, engine_archive
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.oci_layout import Image

Say = Callable[[str], None]
_OPTION = re.compile(r"--(mount|network|security|link|chmod|parents|exclude|checksum|keep-git-dir)\b")
_SYNTAX = re.compile(
    r"\s*#\s*syntax\s*=", re.IGNORECASE
)  # names a newer reader of Dockerfiles, which BuildKit fetches
_HEREDOCS_SINCE = {"docker": (23,), "podman": (4, 8)}
_BUILT_IN = range(18, 23)  # docker programs with BuildKit's client in them; later ones need buildx


def image(
    engine: Engine,
    context: Path,
    reference: str,
    say: Say,
    blobs: Path,
    *,
    file: str = "Dockerfile",
    platform: str,
) -> Image:
    """Build *context* as *reference* and bring the image into *blobs*, saying the log line by line.

    Raises ConfigInvalid, naming each line that nobody here can build, EngineDown, EngineRefused.
    """
    text = (context / file).read_text(encoding="utf-8")
    needed = list(_needs_buildkit(text))
    command = _buildkit(engine, needed, text, file) if needed else None
    if command is None:
        engine.build(context, reference, say, file=file, platform=platform)
    else:
        _by_program(command, engine, context, reference, say, file=file, platform=platform)
    with TemporaryDirectory(prefix="build-", dir=blobs.parent) as scratch:
        archive = Path(scratch, "image.tar")
        with archive.open("wb") as out:
            engine.save(reference, out)
        with tarfile.open(archive) as tar:
            return engine_archive.take(tar, blobs)


def _needs_buildkit(text: str) -> Iterator[tuple[int, str]]:
    """The lines that Docker's classic builder does not read, each with what it is about."""
    for line, word, rest in docker_steps.steps(text):
        options = " ".join(part for part in rest.split() if part.startswith("--"))
        if docker_steps.heredocs(word, rest):
            yield line, f"{word} <<"
        elif word in {"RUN", "COPY", "ADD"} and rest.startswith("--") and (match := _OPTION.search(options)):
            yield line, f"{word} --{match[1]}"


def _buildkit(engine: Engine, needed: list[tuple[int, str]], text: str, file: str) -> tuple[str, ...] | None:
    """The program that builds it; None: the engine does so by its API. Raises ConfigInvalid."""
    name, version = engine.version()
    faults = []
    since = _HEREDOCS_SINCE[name]
    if version < since and not (name == "docker" and _SYNTAX.match(text)):
        dotted = ".".join(str(part) for part in since)
        faults += [(line, what, f"{name} {dotted} or newer") for line, what in needed if what.endswith("<<")]
    command = _client() if name == "docker" else None
    if name == "docker" and command is None:
        help_ = "BuildKit: install docker's buildx, or build with podman (DOCKER_HOST=unix:///run/podman/podman.sock)"
        faults = [(line, what, help_) for line, what in needed]
    if faults:
        raise ConfigInvalid(
            tuple(
                Problem(f"{file}:{line}", "builder.cannot", f"{what} needs {help_}")
                for line, what, help_ in faults
            )
        )
    return command


def _client() -> tuple[str, ...] | None:
    """How the docker program is told to build with BuildKit; None: there is none, or it cannot."""
    program = shutil.which("docker")
    if program is None:
        return None
    if _asked(program, "buildx", "version"):
        return (program, "buildx", "build", "--load")
    version = re.search(r"version (\d+)\.", _asked(program, "--version"))
    return (program, "build") if version and int(version[1]) in _BUILT_IN else None


def _asked(*command: str) -> str:
    """What a program prints; empty where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def _by_program(
    command: tuple[str, ...], engine: Engine, context: Path, tag: str, say: Say, *, file: str, platform: str
) -> None:
    options = ("--progress=plain", "--tag", tag, "--file", str(context / file), "--platform", platform)
    environment = {**os.environ, "DOCKER_HOST": engine.address, "DOCKER_BUILDKIT": "1"}
    last = ""
    with subprocess.Popen(
        [*command, *options, str(context)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            for line in running.stdout or ():
                if text := line.rstrip():
                    say(text)
                    last = text
        except BaseException:
            running.terminate()
            raise
    if running.returncode:
        raise EngineRefused(f"cannot build {tag}: BuildKit says: {last}")
