"""How does a container engine on this machine take an image, build one, hand one out, run one?

For the author's own machine: the agent speaks to its device's engine through the engine room. Docker's API over
its unix socket, spoken by the standard library, so that packaging needs neither the docker program nor a library.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from edgetender.errors import EngineDown, EngineRefused, ImageMissing
from edgetender.packaging import dockerignore, engine_archive, oci_layout
from edgetender.packaging.oci_layout import Image

_DEFAULT = "unix:///var/run/docker.sock"
_API = "/v1.41"  # Debian 12's engine, and every later one
_CHUNK = 1 << 20
_MISSING, _CONFLICT, _BAD = 404, 409, 400
_TIMEOUT_S = 600


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The engine at *address*: `unix://PATH` or `tcp://HOST:PORT`; else DOCKER_HOST's, else the usual socket's.

    Raises EngineDown when none answers, EngineRefused with the engine's own words. From any thread.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = address or os.environ.get("DOCKER_HOST") or _DEFAULT

    @property
    def is_local(self) -> bool:
        """Whether what it publishes is published on this machine."""
        return self.address.startswith("unix://")

    def load(self, image: Image, reference: str) -> None:
        """Give the engine the image under this name."""
        with TemporaryFile() as archive:
            engine_archive.give(image, reference, archive)
            for line in self._stream("POST", "/images/load", {"quiet": "1"}, archive, "application/x-tar"):
                _raise_if_error(line, f"load {reference}")

    def give(self, image: Image, reference: str) -> str:
        """The same, and say it as `docker pull` does: whether the engine had it already."""
        before = self.inspect(reference)["Id"] if self.has(reference) else None
        self.load(image, reference)
        had = before == oci_layout.config_digest(image)
        return f"{'Image is up to date' if had else 'Downloaded newer image'} for {reference}"

    def build(
        self,
        context: Path,
        tag: str,
        say: Callable[[str], None],
        *,
        file: str = "Dockerfile",
        platform: str = "",
    ) -> str:
        """Build *context* (a folder) as *tag*, saying the engine's log line by line; return the image's id.

        What its .dockerignore names stays behind.
        """
        query = {"t": tag, "dockerfile": file, "rm": "1", "forcerm": "1"}
        query |= {"platform": platform} if platform else {}
        built = ""
        with TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(context, ".", filter=_taken(context, file))
            for line in self._stream("POST", "/build", query, archive, "application/x-tar"):
                _raise_if_error(line, f"build {tag}")
                built = (line.get("aux") or {}).get("ID", built)
                if text := str(line.get("stream") or line.get("status") or "").rstrip():
                    say(text)
        return built

    def version(self) -> tuple[str, tuple[int, ...]]:
        """Who answers, and its version: `docker` or `podman`, which speaks Docker's API too."""
        found = self._json("GET", "/version", "ask for the engine's version")
        names = " ".join(str(one.get("Name", "")) for one in found.get("Components") or ())
        numbers = tuple(int(part) for part in re.findall(r"\d+", str(found.get("Version", "")))[:2])
        return "podman" if "podman" in names.lower() else "docker", numbers

    def save(self, reference: str, out: BinaryIO) -> None:
        """Write the image as the engine's archive (a tar with manifest.json)."""
        with self._answer(
            "GET", f"/images/{quote(reference, safe='/:@')}/get", f"save {reference}"
        ) as answer:
            while chunk := answer.read(_CHUNK):
                out.write(chunk)

    def inspect(self, reference: str) -> dict[str, Any]:
        """What the engine knows of an image. Raises ImageMissing."""
        found: dict[str, Any] = self._json(
            "GET", f"/images/{quote(reference, safe='/:@')}/json", f"find {reference}"
        )
        return found

    def has(self, reference: str) -> bool:
        try:
            self.inspect(reference)
        except ImageMissing:
            return False
        return True

    def run(
        self, reference: str, *, name: str | None, ports: dict[int, tuple[str, int]], env: list[str]
    ) -> str:
        """Start a container and return its id. *ports*: container port → (host address, host port)."""
        body = {
            "Image": reference,
            "Env": env,
            "ExposedPorts": {f"{port}/tcp": {} for port in ports},
            "HostConfig": {
                "PortBindings": {
                    f"{port}/tcp": [{"HostIp": address, "HostPort": str(host)}]
                    for port, (address, host) in ports.items()
                }
            },
        }
        query = {"name": name} if name else {}
        made = self._json("POST", "/containers/create", f"create a container of {reference}", query, body)
        identity = str(made["Id"])
        try:
            self._json("POST", f"/containers/{identity}/start", f"start {reference}")
        except EngineRefused:
            self.remove(identity)
            raise
        return identity

    def state(self, identity: str) -> dict[str, Any]:
        """A container's State, as `docker inspect` shows it."""
        found: dict[str, Any] = self._json("GET", f"/containers/{identity}/json", f"look at {identity[:12]}")
        return dict(found["State"])

    def logs(self, identity: str) -> str:
        """The end of what a container wrote to stdout and stderr."""
        query = {"stdout": "1", "stderr": "1", "tail": "50"}
        with self._answer("GET", f"/containers/{identity}/logs", f"read {identity[:12]}", query) as answer:
            return _without_frames(answer.read()).decode("utf-8", "replace")

    def remove(self, identity: str) -> None:
        """End a container and forget it."""
        self._json("DELETE", f"/containers/{identity}", f"remove {identity[:12]}", {"force": "1", "v": "1"})

    def _json(
        self, method: str, path: str, what: str, query: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        content = json.dumps(body).encode() if body is not None else None
        with self._answer(method, path, what, query, content, "application/json") as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else {}

    def _stream(
        self, method: str, path: str, query: dict[str, str], body: BinaryIO, kind: str
    ) -> Iterator[dict[str, Any]]:
        """The engine's progress, a JSON object at a time."""
        with self._answer(method, path, path.rpartition("/")[2], query, body, kind) as answer:
            for line in answer:
                if line.strip():
                    yield json.loads(line)

    def _answer(
        self,
        method: str,
        path: str,
        what: str,
        query: dict[str, str] | None = None,
        body: BinaryIO | bytes | None = None,
        kind: str = "",
    ) -> http.client.HTTPResponse:
        connection = self._connection(what)
        headers = {"Content-Type": kind} if body is not None else {}
        if body is not None and not isinstance(body, bytes):
            headers["Content-Length"] = str(body.seek(0, os.SEEK_END))
            body.seek(0)
        target = f"{_API}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, body, headers | {"Connection": "close"})
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            why = getattr(error, "strerror", None) or error
            text = f"cannot {what}: no container engine answers at {self.address}: {why}"
            raise EngineDown(f"{text}; start one, or name it by DOCKER_HOST") from error
        if answer.status >= _BAD:
            with answer:
                words = answer.read().decode("utf-8", "replace").strip()
            connection.close()
            refused = ImageMissing if answer.status == _MISSING else EngineRefused
            raise refused(f"cannot {what}: the engine says: {_message(words)}")
        return answer  # its end closes the connection: it was asked to

    def _connection(self, what: str) -> http.client.HTTPConnection:
        url = urlsplit(self.address)
        if url.scheme == "unix":
            return _UnixConnection(url.path, _TIMEOUT_S)
        if url.scheme in {"tcp", "http"} and url.hostname and not os.environ.get("DOCKER_TLS_VERIFY"):
            return http.client.HTTPConnection(url.hostname, url.port or 2375, timeout=_TIMEOUT_S)
        raise EngineRefused(
            f"cannot {what}: {self.address} is neither unix:///PATH nor a plain tcp://HOST:PORT; set DOCKER_HOST"
        )


def _without_frames(stream: bytes) -> bytes:
    """Take out the eight bytes before each piece of a log: stream, three zeros, big-endian length."""
    found, at = [], 0
    while at + 8 <= len(stream):
        size = int.from_bytes(stream[at + 4 : at + 8], "big")
        found.append(stream[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(found)


def _message(words: str) -> str:
    try:
        found = json.loads(words)
    except ValueError:
        return words[:300]
    return str(found.get("message", words)) if isinstance(found, dict) else words


def _raise_if_error(line: dict[str, Any], what: str) -> None:
    if "error" in line:
        raise EngineRefused(f"cannot {what}: {str(line['error']).strip()}")


def _taken(context: Path, file: str) -> Callable[[tarfile.TarInfo], tarfile.TarInfo | None]:
    """What goes to the engine, as root's. Dockerfile and .dockerignore always do: it takes them out itself."""
    kept = dockerignore.kept(context, file)
    needed = {context, context / file, context / dockerignore.FILE, *(context / file).parents}

    def take(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if kept is not None and (context / member.name) not in kept | needed:
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    return take
