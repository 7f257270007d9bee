"""What does a service of one's own hear of a device? By a real HTTP server, wired as the daemon wires it."""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from demo.parts.identities import Authority
from demo.parts.waiting import until
from edgetender.clock import SystemClock
from edgetender.config.settings import EventsSettings, Settings
from edgetender.daemon import queues_of
from edgetender.errors import ConfigInvalid
from edgetender.eventlog import EventLog
from edgetender.linking import Outlet, outlets_of
from edgetender.metrics import Metrics
from edgetender.model.image import Credential
from edgetender.model.topics import EventKind
from edgetender.model.webhook import answer_of
from edgetender.ports import Outbox
from edgetender.secret import Secret
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.store import FakeOutbox


@contextmanager
def hook_queue(state: Path) -> Iterator[Outbox]:
    """What waits for the service, as the daemon keeps it in *state*."""
    settings = Settings(device="line3-cam7", state_dir=state, events=EventsSettings("http://hooks.example"))
    upstream, queue = queues_of(settings, SystemClock())
    assert queue is not None
    with closing(upstream), closing(queue):
        yield queue


class Service(ThreadingHTTPServer):
    """Keeps what it was sent, with path and the header that says by whom; answers *status*."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, str | None, Any]] = []
        self.status = 204

    @property
    def modules(self) -> list[str]:
        return [event["module"] for _, _, event in self.received]

    def handle_error(self, *_: object) -> None: ...  # a client that trusts it not hangs up


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, self.headers.get("Authorization"), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@dataclass(frozen=True, slots=True)
class Telling:
    """Called, it has an event of a module happen."""

    events: EventLog
    hook: Outlet

    def __call__(self, module: str) -> None:
        self.events.tell(EventKind.MODULE_STATE, {"module": module}, NOON)


@contextmanager
def telling(chosen: EventsSettings, queue: Outbox | None = None) -> Iterator[Telling]:
    """What tells the webhook of *chosen*, which hears of it meanwhile."""
    queue = queue or FakeOutbox(FakeClock())
    events, stopping = EventLog("line3-cam7", FakeOutbox(FakeClock()), NOON, queue), threading.Event()
    known = FakeCredentials({"hook": Credential("line3", Secret("hunter2"))})
    (hook,) = outlets_of(
        Settings(device="line3-cam7", events=chosen), known, Metrics("0"), events, queue, stopping
    )
    thread = threading.Thread(target=hook.work)
    thread.start()
    try:
        yield Telling(events, hook)
    finally:
        stopping.set()
        hook.close()
        thread.join(20)
        assert not thread.is_alive()


def at(service: Service, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{service.server_port}/line3"


def test_each_event_arrives_in_its_order_with_who_tells_it(service: Service) -> None:
    with telling(EventsSettings(webhook=at(service), webhook_credential="hook")) as tell:
        for module in "abc":
            tell(module)
        until(lambda: len(service.received) == 3, "three events", within_s=20)
    path, sender, event = service.received[0]
    assert (path, sender) == ("/line3", "Basic bGluZTM6aHVudGVyMg==")
    assert (event["type"], event["device"], event["module"]) == ("module.state", "line3-cam7", "a")
    assert service.modules == ["a", "b", "c"]


def test_a_service_that_is_away_gets_its_events_later_and_that_is_said_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.status = 503
    with (
        caplog.at_level(logging.WARNING, "edgetender"),
        telling(EventsSettings(webhook=at(service), webhook_credential="hook")) as tell,
    ):
        tell("a")
        tell("b")
        until(lambda: len(service.received) >= 2, "two tries", within_s=20)
        service.status = 200
        until(lambda: "b" in service.modules, "the second event", within_s=20)
    assert set(service.modules[:-1]) == {"a"}
    assert [one.message for one in caplog.records] == [
        "the webhook takes no events",
        "the webhook takes events again",
    ]
    assert caplog.records[0].fields["why"] == "it answers 503"  # type: ignore[attr-defined]
    assert "hunter2" not in caplog.text


def test_what_a_service_that_is_away_did_not_get_outlives_the_agent(service: Service, tmp_path: Path) -> None:
    service.status = 503
    for modules in ("ab", "c"):
        with (
            hook_queue(tmp_path) as queue,
            telling(EventsSettings(webhook=at(service)), queue) as tell,
        ):
            for module in modules:
                tell(module)
            until(lambda: bool(service.received), "a try", within_s=20)
        service.received.clear()
    service.status = 200
    with hook_queue(tmp_path) as queue, telling(EventsSettings(webhook=at(service)), queue):
        until(lambda: service.modules == ["a", "b", "c"], "all in their order", within_s=20)


def test_what_waits_for_a_service_is_bounded_and_what_is_lost_to_that_is_counted(tmp_path: Path) -> None:
    with hook_queue(tmp_path) as queue:
        events = EventLog("line3-cam7", FakeOutbox(FakeClock()), NOON, queue)
        for number in range(40):
            events.tell(EventKind.MODULE_STATE, {"module": f"{number}", "why": "w" * 50_000}, NOON)
        (found,) = events.waiting()
        assert found.name == "webhook"
        assert found.queued_bytes <= 1 << 20
        assert (found.accepted, found.queued + found.dropped[0][1]) == (40, 40)
        assert json.loads(queue.head(1)[0].body)["module"] != "0"


def test_what_is_refused_is_not_offered_again_but_counted_and_the_next_is(service: Service) -> None:
    service.status, queue = 400, FakeOutbox(FakeClock())
    with telling(EventsSettings(webhook=at(service)), queue) as tell:
        tell("a")
        tell("b")
        until(lambda: not queue.figures().queued, "both events", within_s=20)
    assert service.modules == ["a", "b"]
    (found,) = queue.figures().streams
    assert (found.delivered, found.dropped) == (0, (("refused", 2),))


@pytest.mark.parametrize("status", [302, 401, 404])
def test_an_address_or_a_login_that_is_wrong_costs_no_event_and_is_said_as_what_it_is(
    service: Service, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    service.status, queue = status, FakeOutbox(FakeClock())
    with telling(EventsSettings(webhook=at(service)), queue) as tell:
        tell("a")
        tell("b")
        until(lambda: len(service.received) >= 2, "two tries", within_s=20)
        service.status = 204
        until(lambda: not queue.figures().queued, "both events", within_s=20)
    assert set(service.modules[:-1]) == {"a"}
    assert queue.figures().delivered == 2
    assert [one.message for one in caplog.records] == [
        "the webhook takes no events until somebody repairs that",
        "the webhook takes events again",
    ]
    assert f"it answers {status}: " in caplog.records[0].fields["why"]  # type: ignore[attr-defined]


def test_what_it_answered_last_is_known_to_who_checks(service: Service) -> None:
    service.status = 401
    with telling(EventsSettings(webhook=at(service))) as tell:
        assert tell.hook.answer() is None
        tell("a")
        until(lambda: tell.hook.answer() == answer_of(401), "the answer", within_s=20)


def test_by_tls_only_whom_the_authorities_know_hears_anything(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = Authority(tmp_path / "theirs").issue("hooks", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    service.socket = context.wrap_socket(service.socket, server_side=True)
    others = Authority(tmp_path / "others").certificate
    for ca, heard in ((others, []), (tmp_path / "theirs" / "ca.pem", ["a"])):
        caplog.clear()
        with telling(EventsSettings(webhook=at(service, "https"), webhook_ca=ca)) as tell:
            tell("a")
            until(lambda: bool(service.received or caplog.messages), "the event, or why not", within_s=20)
        assert service.modules == heard
        assert heard or "certificate verify failed" in caplog.records[0].fields["why"]  # type: ignore[attr-defined]


def test_authorities_that_cannot_be_read_are_told_with_their_key(tmp_path: Path) -> None:
    chosen = EventsSettings(webhook="https://hooks.example", webhook_ca=tmp_path / "none.pem")
    with pytest.raises(ConfigInvalid) as told, telling(chosen):
        pass
    assert [one.path for one in told.value.problems] == ["events.webhook_ca"]
