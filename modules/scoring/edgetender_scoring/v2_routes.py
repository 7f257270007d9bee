"""What answers under /v2? The Open Inference Protocol's paths. Event loop only."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from edgetender_scoring import __version__
from edgetender_scoring.aside import aside
from edgetender_scoring.memory import give_back
from edgetender_scoring.message import Request, Response, to_json
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.providers import ModelUnusable
from edgetender_scoring.served import Served
from edgetender_scoring.workers import Pool

if TYPE_CHECKING:  # it needs numpy, which scripts may do without
    from edgetender_scoring.repository import Entry, Repository

log = logging.getLogger("edgetender_scoring")

Deliver = Callable[[Response], None]

_READING = frozenset({"GET", "HEAD"})
_POOLS_OWN = frozenset({499, 503})
_EXTENSIONS = ["binary_tensor_data", "model_repository"]


class OpenInference:
    """Answers the protocol's requests. *counted*: told of each inference, model, version and status."""

    def __init__(
        self,
        served: Served,
        pool: Pool,
        ready: Callable[[], bool],
        counted: Callable[[Request, Response, str, str], Response],
    ) -> None:
        self._served, self._pool, self._ready, self._counted = served, pool, ready, counted
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, request: Request, deliver: Deliver) -> None:
        """Have *deliver* called once with the answer."""
        parts = [unquote(part) for part in request.path.decode("latin-1").strip("/").split("/")[1:]]
        match parts:
            case []:
                deliver(_read(request, self._server()))
            case ["health", "live"]:
                deliver(_state(request, "live", holds=True))
            case ["health", "ready"]:
                deliver(_state(request, "ready", holds=self._ready()))
            case ["models", name] | ["models", name, "ready"] | ["models", name, "infer"]:
                self._model(request, deliver, name, None, parts[2:])
            case ["models", name, "versions", version, *rest] if rest in ([], ["ready"], ["infer"]):
                self._model(request, deliver, name, version, rest)
            case ["repository", "index"] if self._repository is not None:
                deliver(self._index(request, self._repository))
            case ["repository", "models", _, "load" | "unload"] if not self._controlled:
                deliver(_error(403, "models are not loaded and unloaded by clients here"))
            case ["repository", "models", name, "load"] if self._repository is not None:
                self._load(request, deliver, name, self._repository)
            case ["repository", "models", name, "unload"] if self._repository is not None:
                deliver(self._unload(request, name, self._repository))
            case _:
                deliver(_error(404, f"there is nothing at {request.path.decode('latin-1')}"))

    @property
    def _repository(self) -> Repository | None:
        return self._served.repository

    @property
    def _controlled(self) -> bool:
        return self._repository is not None and self._repository.controlled

    def _server(self) -> dict[str, Any]:
        return {"name": "edgetender-scoring", "version": __version__, "extensions": _EXTENSIONS}

    def _model(
        self, request: Request, deliver: Deliver, name: str, version: str | None, rest: list[str]
    ) -> None:
        entry = None if self._repository is None else self._repository.entry(name, version)
        if rest == ["ready"]:
            held = entry is not None and self._ready()
            status = 200 if held else 404 if entry is None and self._ready() else 503
            deliver(Response(status, to_json({"name": name, "ready": held})) if _reads(request) else _wrong())
            return
        if entry is None or entry.model is None or entry.infer is None:
            deliver(self._absent(name, version))
        elif not rest:
            from edgetender_scoring.v2 import metadata

            versions = self._repository.versions(name) if self._repository is not None else []
            deliver(_read(request, metadata(entry.model, versions)))
        elif request.method != "POST":
            deliver(_wrong("POST"))
        else:
            model = entry.model

            def answered(outcome: Outcome) -> None:
                said = Response(outcome.status, outcome.body, outcome.content_type, outcome.headers)
                if outcome.failed:  # the pool speaks the other contract's form
                    said = _error(outcome.status, "the inference took longer than the server's limit")
                elif outcome.status in _POOLS_OWN:
                    said = _error(outcome.status, "no thread can take the request")
                deliver(self._counted(request, said, model.name, model.version))

            self._pool.submit(entry.infer, request, answered)

    def _absent(self, name: str, version: str | None) -> Response:
        if self._repository is None and not self._served.ready:
            return _error(503, self._served.why_not)
        which = f"model {name!r}" if version is None else f"model {name!r} version {version!r}"
        return _error(404, f"there is no {which}")

    def _index(self, request: Request, repository: Repository) -> Response:
        if request.method not in {"POST", "GET"}:
            return _wrong("GET, POST")
        return Response(
            200,
            to_json(
                [
                    {
                        "name": name,
                        "version": version,
                        "state": "READY" if entry.model is not None else "UNAVAILABLE",
                        "reason": entry.reason,
                    }
                    for (name, version), entry in sorted(repository.entries.items())
                ]
            ),
        )

    def _load(self, request: Request, deliver: Deliver, name: str, repository: Repository) -> None:
        if request.method != "POST":
            deliver(_wrong("POST"))
            return
        if name in self._busy:
            deliver(_error(409, f"model {name!r} is being loaded"))
            return
        self._busy.add(name)
        task = asyncio.get_running_loop().create_task(self._reload(name, deliver, repository))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reload(self, name: str, deliver: Deliver, repository: Repository) -> None:
        """Load every version there is on a thread; what serves goes on until all are loaded, or for good."""
        try:
            entries = await aside(asyncio.get_running_loop(), functools.partial(_load_all, name, repository))
        except (ModelUnusable, OSError) as error:
            log.warning("model %s stays as it is: %s", name, error)
            deliver(_error(400, str(error)))
            return
        except Exception:
            log.exception("model %s stays as it is", name)
            deliver(_error(500, "the model could not be loaded; check the log"))
            return
        finally:
            self._busy.discard(name)
        for version in [one for known, one in repository.entries if known == name]:
            del repository.entries[name, version]
        for entry in entries:
            repository.keep(entry)
        self._served.refresh()
        deliver(Response(200, b"{}"))
        await aside(asyncio.get_running_loop(), give_back)

    def _unload(self, request: Request, name: str, repository: Repository) -> Response:
        if request.method != "POST":
            return _wrong("POST")
        versions = repository.versions(name)
        if not versions:
            return _error(404, f"there is no model {name!r}")
        for version in versions:
            repository.drop(name, version)
        self._served.refresh()
        return Response(200, b"{}")


def _load_all(name: str, repository: Repository) -> list[Entry]:
    found = [one for one in repository.find() if one.name == name]
    if not found:
        raise ModelUnusable(f"there is no model {name!r} in the repository")
    return [repository.load(one) for one in found]


def _reads(request: Request) -> bool:
    return request.method in _READING


def _read(request: Request, value: Any) -> Response:
    return Response(200, to_json(value)) if _reads(request) else _wrong()


def _state(request: Request, name: str, *, holds: bool) -> Response:
    return Response(200 if holds else 503, to_json({name: holds})) if _reads(request) else _wrong()


def _wrong(methods: str = "GET, HEAD") -> Response:
    return Response(405, to_json({"error": "the method is not allowed here"}), headers=(("allow", methods),))


def _error(status: int, text: str) -> Response:
    return Response(status, to_json({"error": text}))
