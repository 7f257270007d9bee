"""What did the device make of the manifest? Publish it as desired state, then listen to the reports."""

from __future__ import annotations

import json
import queue
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from edgetender.errors import LinkDown, Problem
from edgetender.model.topics import DesiredCode
from edgetender.model.trace import MEMBER, carrying, traceparent
from edgetender.transports.mqtt_connection import Connection
from edgetender.transports.publication import Party, Publication, root_topic
from edgetender.transports.refusals import ProtocolRefused
from edgetender.transports.settings import MqttSettings

CONNECT_S = 20.0
STALE_S = 5.0  # a verdict from before the push counts when no newer one follows within this
_MQTT_5 = 5


class Outcome(StrEnum):
    """What became of a pushed version."""

    RUNNING = "running"
    INVALID = "invalid"
    APPLYING = "applying"
    WAITING = "waiting"  # for a maintenance window, or for the end of a hold
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"


_OUTCOMES: dict[int, Outcome] = {
    DesiredCode.RUNNING: Outcome.RUNNING,
    DesiredCode.IN_PART: Outcome.ROLLED_BACK,
    DesiredCode.INVALID: Outcome.INVALID,
    DesiredCode.APPLYING: Outcome.APPLYING,
    DesiredCode.ROLLED_BACK: Outcome.ROLLED_BACK,
}


@dataclass(frozen=True, slots=True)
class Report:
    """The device's word on the newest manifest it received; *modules* maps each module to its state.

    *troubles* says why some are not as they should be.
    """

    version: int | None
    code: int
    description: str
    problems: tuple[Problem, ...]
    modules: dict[str, str]
    waits: str = ""  # what it waits for, while it is being applied
    troubles: tuple[tuple[str, str], ...] = ()  # module, why

    @property
    def outcome(self) -> Outcome:
        if self.code == DesiredCode.APPLYING and self.waits:
            return Outcome.WAITING
        return _OUTCOMES.get(self.code, Outcome.REFUSED)

    @property
    def refuses_root(self) -> bool:
        """Whether the newest that came was a trust root, and was not taken: manifests have a version."""
        return self.version is None and self.outcome is Outcome.REFUSED


def new_traceparent() -> str:
    """Of a trace that begins here."""
    return traceparent(secrets.token_hex(16), secrets.token_hex(8))


def report_of(body: bytes) -> Report | None:
    """Read a `reported` document; None for one that says nothing about a manifest yet, or that is none."""
    try:
        document = json.loads(body)
        status = document["lastDesiredStatus"]
        if status is None:
            return None
        modules = document.get("modules", {})
        return Report(
            document.get("lastDesiredVersion"),
            int(status["code"]),
            str(status.get("description", "")),
            tuple(Problem(one["path"], one["code"], one["message"]) for one in status.get("problems", ())),
            {name: str(module["state"]) for name, module in modules.items()},
            "; ".join(sorted({str(one["why"]) for one in document.get("waits", {}).values()})),
            tuple((name, str(why)) for name, module in sorted(modules.items()) if (why := module.get("why"))),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def root_version(body: bytes) -> int:
    """The trust root's version in a `reported` document; 0 for none."""
    try:
        return int(json.loads(body)["trustRoot"]["version"])
    except (ValueError, KeyError, TypeError):
        return 0


class Answers:
    """What a device reports while somebody waits for its verdict; whoever hears it fills *_kept* and *_heard*."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []  # what was there of the device before it said anything to us
        self._heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._failure: LinkDown | None = None

    def reports(self, version: int, *, timeout_s: float) -> Iterator[Report]:
        """Yield each new report on *version*, the last one a verdict, or none within *timeout_s* seconds.

        What was retained before the push comes first, and counts as a verdict only if nothing newer follows.
        Raises LinkDown when the connection is lost.
        """
        deadline = time.monotonic() + timeout_s
        stale_until = min(deadline, time.monotonic() + STALE_S)
        last: Report | None = None
        while (
            left_s := (stale_until if last is None and self._stale(version) else deadline) - time.monotonic()
        ) > 0:
            try:
                report = report_of(self._heard.get(timeout=min(left_s, 0.5)))
            except queue.Empty:
                if self._failure is not None:
                    raise self._failure from None
                continue
            if report is None or report.version != version or report == last:
                continue
            last = report
            yield report
            if report.outcome is not Outcome.APPLYING:
                return
        if last is None and (stale := self._stale(version)) is not None:
            yield stale

    def root_refusal(self, version: int, *, timeout_s: float) -> tuple[Problem, ...] | None:
        """Why the device does not go by trust root *version*: empty once it does, or goes by a later one.

        None where it says neither within *timeout_s* seconds. Raises LinkDown when the connection is lost.
        """
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if any(root_version(body) >= version for body in self._kept):
                return ()  # it did so already, and has no news
            try:
                body = self._heard.get(timeout=min(left_s, 0.5))
            except queue.Empty:
                if self._failure is not None:
                    raise self._failure from None
                continue
            if root_version(body) >= version:
                return ()
            report = report_of(body)
            if report is not None and report.refuses_root and report not in map(report_of, self._kept):
                return report.problems
        return None

    def _stale(self, version: int) -> Report | None:
        """The report on *version* that the broker had kept."""
        reports = [report for report in map(report_of, self._kept) if report is not None]
        return next((report for report in reports if report.version == version), None)


class DeviceLink(Answers):
    """A short connection as an operator to the broker of *device*, for a `with` block. Raises LinkDown.

    *listens* to what the device reports, for which the operator needs the right to read it.
    """

    def __init__(self, settings: MqttSettings, device: str, *, listens: bool) -> None:
        super().__init__()
        self._settings, self._root = settings, root_topic(device)
        self._party = Party(
            f"edgetender-push-{uuid.uuid4().hex[:12]}",
            f"{self._root}/reported" if listens else None,
            keeps_session=False,
        )
        self._settled = threading.Event()
        self._connection: Connection | None = None
        self._level = 0  # of the protocol, as paho counts
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._settled.wait(CONNECT_S)
        if self._failure is not None:
            raise self._failure
        if not self._settled.is_set():
            raise LinkDown(f"cannot connect to {self._settings.endpoint}: no answer within {CONNECT_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.leave(None, timeout_s=0.0)
        self._thread.join(CONNECT_S)

    def push(self, manifest: bytes, *, timeout_s: float, traceparent: str = "") -> None:
        """Return once the broker keeps *manifest* as the device's desired state. Raises LinkDown.

        *traceparent* goes beside it, and within it where MQTT 3.1.1 is spoken.
        """
        if self._connection is None:
            raise LinkDown("cannot push: not connected")
        beside = {"schema": "edgetender/v1"} | ({MEMBER: traceparent} if traceparent else {})
        body = manifest if self._level == _MQTT_5 else carrying(manifest, traceparent)
        publication = Publication(
            f"{self._root}/desired", body, retain=True, attributes=tuple(beside.items())
        )
        self._connection.publish(publication, timeout_s=timeout_s)

    def _run(self) -> None:
        try:
            try:
                self._connect(4 if self._settings.protocol == "3.1.1" else 5)
            except ProtocolRefused:
                if self._settings.protocol != "auto":
                    raise
                self._connect(4)
        except LinkDown as error:
            self._failure = error
        finally:
            self._settled.set()

    def _connect(self, level: int) -> None:
        self._level = level
        connection = Connection(
            self._settings, level, self._party, on_up=self._is_up, on_message=self._remember
        )
        connection.run()

    def _is_up(self, connection: Connection) -> None:
        self._connection = connection
        self._settled.set()

    def _remember(self, _topic: str, body: bytes, kept: bool) -> bool:
        if kept:
            self._kept.append(body)
        else:
            self._heard.put(body)
        return True
