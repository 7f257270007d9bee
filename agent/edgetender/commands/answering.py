"""What does the device answer when it is asked from upstream? IoT Edge's methods as they are there, and our own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from edgetender.api import answers
from edgetender.api.house import House
from edgetender.clock import Clock
from edgetender.codec import canonical
from edgetender.commands.module_logs import SPACE_BYTES, chosen, entry, moment, read_items
from edgetender.commands.once import Once
from edgetender.commands.request import Refused, member, object_of
from edgetender.commands.uploads import Uploads
from edgetender.errors import AgentError, NotFound, Permanent, WithProblems
from edgetender.model.edition import is_edition

log = logging.getLogger(__name__)

OK, BAD, NOT_FOUND, FAILED = 200, 400, 404, 500
_EFFECTS = frozenset(
    {"RestartModule", "Rollback", "Hold", "Release", "ApplyNow", "UploadModuleLogs", "UploadSupportBundle"}
)
_DECIDED_S = 20.0
_ASK_EVERY_S = 0.1
_BUNDLED = timedelta(days=1)  # of the agent's log in a support bundle, where nobody says
Answer = tuple[int, Any]


class DeviceCommands:
    """Implements `ports.Commands`. Threads: any; wishes are left with the reconciler as the API leaves them."""

    def __init__(self, house: House, device: str, uploads: Uploads, clock: Clock, once: Once) -> None:
        self._house, self._device, self._uploads, self._clock = house, device, uploads, clock
        self._once = once
        self._waiting = threading.Event()  # never set: what is waited for is asked for again
        self._table: dict[str, Callable[[dict[str, Any], str], Answer]] = {
            "ping": self._ping,
            "RestartModule": self._restart,
            "GetModuleLogs": self._logs,
            "UploadModuleLogs": self._upload_logs,
            "UploadSupportBundle": self._upload_bundle,
            "GetTaskStatus": self._task,
            "Status": self._status,
            "Rollback": self._rollback,
            "Hold": lambda request, source: self._pause("hold", request, source),
            "Release": lambda request, source: self._pause("release", request, source),
            "ApplyNow": lambda request, source: self._pause("now", request, source),
            "Plan": self._plan,
            "Explain": self._explain,
            "Check": self._check,
            "": lambda _request, _source: (
                BAD,
                {"message": f"not known here; known: {', '.join(self.names)}"},
            ),
        }
        self._names = {name.lower(): name for name in self._table}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(filter(None, self._table))

    def __call__(self, name: str, request: Any, source: str, identity: str = "") -> Answer:
        """Status and answer, as JSON; never raises. Names are found whatever their case."""
        try:
            known = self._names.get(name.lower(), "")
            if known not in _EFFECTS:
                return self._answer(known, request, source)
            return self._once(identity, lambda: self._answer(known, request, source))
        except OSError as error:
            return FAILED, {"message": f"cannot write down what is asked: {error.strerror}"}
        except AgentError as error:
            return FAILED, {"message": str(error)}
        except Exception as error:
            log.exception("command failed", extra={"fields": {"command": name}})
            return FAILED, {"message": f"{type(error).__name__}: {error}"}

    def _answer(self, known: str, request: Any, source: str) -> Answer:
        """A refusal is an answer as well: the same again is refused again. Raises Transient, Fault."""
        try:
            return self._table[known](object_of(request), source)
        except Refused as refusal:
            return refusal.status, {"message": str(refusal)}
        except WithProblems as error:
            problems = [
                {"path": one.path, "code": one.code, "message": one.message} for one in error.problems
            ]
            return BAD, {"message": str(error), "problems": problems}
        except NotFound as error:
            return NOT_FOUND, {"message": str(error)}
        except Permanent as error:
            return BAD, {"message": str(error)}

    def _ping(self, _request: dict[str, Any], _source: str) -> Answer:
        return OK, None

    def _status(self, _request: dict[str, Any], _source: str) -> Answer:
        return OK, self._house.status()

    def _restart(self, request: dict[str, Any], source: str) -> Answer:
        module = member(request, "id", str, "the module's name")
        return self._wish("restart", {"module": module}, source, plain=True)

    def _rollback(self, request: dict[str, Any], source: str) -> Answer:
        to = request.get("to")
        if to is not None and not is_edition(to):
            raise Refused("to is a version, like 13 or 1:13")
        return self._wish("rollback", {"to": to}, source)

    def _pause(self, kind: str, request: dict[str, Any], source: str) -> Answer:
        """`module`, `for_s` and `reason`, each of them optional."""
        wish: dict[str, Any] = {
            name: request[name] for name in ("module", "for_s", "reason") if name in request
        }
        return self._wish(kind, wish, source)

    def _wish(self, kind: str, wish: dict[str, Any], source: str, *, plain: bool = False) -> Answer:
        """Leave a wish and wait for what becomes of it; *plain* says nothing when it was taken."""
        delivery = self._house.submit(kind, source, canonical(wish))
        deadline = time.monotonic() + _DECIDED_S
        while (decision := self._house.decision(delivery)) is None:
            if time.monotonic() > deadline:
                raise Refused(f"not decided within {_DECIDED_S:g} s; it is written down", FAILED)
            self._waiting.wait(_ASK_EVERY_S)
        if decision.code in (200, 406):
            return OK, None if plain else answers.decision(delivery, decision)
        code = BAD if plain and decision.code == NOT_FOUND else min(FAILED, decision.code)
        return code, {"message": decision.description}

    def _plan(self, request: dict[str, Any], _source: str) -> Answer:
        manifest = member(request, "manifest", dict, "a manifest")
        return OK, self._house.plan(canonical(manifest))

    def _explain(self, request: dict[str, Any], _source: str) -> Answer:
        return OK, self._house.explain(member(request, "module", str, "the module's name"), None)

    def _check(self, request: dict[str, Any], _source: str) -> Answer:
        """Without repairs: what changes the device is asked for on the device."""
        names = [request.get(key, []) for key in ("ids", "skip")]
        if not all(isinstance(each, list) and all(isinstance(one, str) for one in each) for each in names):
            raise Refused("ids and skip are lists of check ids")
        return OK, answers.checks(self._house.check(names[0], names[1], fix=False))

    def _logs(self, request: dict[str, Any], _source: str) -> Answer:
        wanted = read_items(request, self._clock.now())
        found = chosen(self._house, wanted)
        share = SPACE_BYTES // max(1, len(found))
        return OK, [entry(self._device, name, lines, wanted, share) for name, lines in found]

    def _upload_logs(self, request: dict[str, Any], _source: str) -> Answer:
        url = member(request, "sasUrl", str, "where to put them: an https:// address with its signature")
        wanted = read_items(request, self._clock.now())
        return OK, self._uploads.logs(url, lambda: chosen(self._house, wanted), wanted)

    def _upload_bundle(self, request: dict[str, Any], _source: str) -> Answer:
        url = member(request, "sasUrl", str, "where to put it: an https:// address with its signature")
        now, brief = self._clock.now(), request.get("edgeRuntimeOnly", False)
        since, until = moment(request, "since", now), moment(request, "until", now)
        if not isinstance(brief, bool):
            raise Refused("edgeRuntimeOnly is true or false")
        since = since or now - _BUNDLED
        return OK, self._uploads.bundle(url, since, until, with_modules=not brief)

    def _task(self, request: dict[str, Any], _source: str) -> Answer:
        return OK, self._uploads.status(member(request, "correlationId", str, "what the upload answered"))
