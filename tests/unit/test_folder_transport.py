"""Manifests and reports as files on a medium that people carry."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts.waiting import until
from edgetender.errors import LinkDown
from edgetender.model.upstream import Message
from edgetender.transports.folder import FolderTransport
from edgetender.transports.settings import FolderSettings
from tests.fakes.clock import FakeClock
from tests.services.far_side import Inbox, settled


class Bench:
    def __init__(self, path: Path, *verdicts: bool, max_bytes: int = 2**20, stable_s: float = 0.0) -> None:
        self.path, self.inbox = path, Inbox(list(verdicts))
        settings = FolderSettings(path, poll_s=0.01, messages_max_bytes=max_bytes, stable_s=stable_s)
        self.transport = FolderTransport(settings, "line3-cam7", clock=FakeClock())

    def open(self) -> None:
        self.transport.open(self.inbox.accept, self.inbox.wake)
        settled(self.transport, connected=True)

    def put(self, name: str, text: str) -> Path:
        """As a person does: beside, then in its place."""
        (self.path / "inbox").mkdir(exist_ok=True)
        (self.path / "inbox" / f".{name}").write_text(text)
        return (self.path / "inbox" / f".{name}").rename(self.path / "inbox" / name)

    def wait_for(self, path: str) -> Path:
        found = self.path / path
        until(found.exists, path, every_s=0.01)
        return found

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.path / "outbox/messages.jsonl").read_text().splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.transport.close()


def test_manifests_are_taken_in_the_order_of_their_names_and_kept_in_done(bench: Bench) -> None:
    for name in ("10.json", "02.json", "01.json"):
        bench.put(name, f'"{name}"')
    bench.open()
    bench.wait_for("inbox/done/10.json")
    assert bench.inbox.taken == [b'"01.json"', b'"02.json"', b'"10.json"']
    assert sorted(path.name for path in (bench.path / "inbox").iterdir()) == ["done", "refused"]


def test_yaml_arrives_as_the_json_that_it_means(bench: Bench) -> None:
    bench.put("7.yaml", "version: 7\nwhen: 12:30\n")
    bench.open()
    bench.wait_for("inbox/done/7.yaml")
    assert bench.inbox.taken == [b'{"version":7,"when":"12:30"}']


def test_yaml_that_cannot_be_read_is_put_aside_with_its_reason_and_holds_up_nobody(bench: Bench) -> None:
    bench.put("1.yaml", "version: [7\n")
    bench.put("2.json", "{}")
    bench.open()
    bench.wait_for("inbox/done/2.json")
    assert "line 2" in bench.wait_for("inbox/refused/1.yaml.why").read_text()
    assert bench.wait_for("inbox/refused/1.yaml").read_text() == "version: [7\n"
    assert bench.inbox.taken == [b"{}"]


def test_what_is_not_accepted_stays_where_it_is_and_later_ones_wait(tmp_path: Path) -> None:
    bench = Bench(tmp_path, False, False)
    bench.put("1.json", "1")
    bench.put("2.json", "2")
    bench.open()
    bench.wait_for("inbox/done/2.json")
    bench.transport.close()
    assert bench.inbox.offered == [b"1", b"1", b"1", b"2"]


def test_hidden_files_links_folders_and_other_kinds_are_left_alone(bench: Bench, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    bench.put("notes.txt", "not mine")
    (inbox / ".7.json").write_text("half copied")
    (inbox / "link.json").symlink_to("/etc/hostname")
    (inbox / "folder.json").mkdir()
    bench.put("9.json", "{}")
    bench.open()
    bench.wait_for("inbox/done/9.json")
    assert bench.inbox.offered == [b"{}"]
    assert {path.name for path in inbox.iterdir()} >= {"notes.txt", ".7.json", "link.json", "folder.json"}


def test_a_file_that_still_grows_is_left_until_it_rests(tmp_path: Path) -> None:
    bench = Bench(tmp_path, stable_s=3)
    bench.put("1.json", '{"version"')
    bench.open()
    for more in (" ", " ", " ", ": 7}"):
        threading.Event().wait(0.1)
        with (tmp_path / "inbox/1.json").open("a") as stream:
            stream.write(more)
    bench.wait_for("inbox/done/1.json")
    bench.transport.close()
    assert bench.inbox.offered == [b'{"version"   : 7}']


def test_state_is_one_file_per_topic_replaced_as_a_whole(bench: Bench) -> None:
    bench.open()
    for body in (b'{"v":1}', b'{"v":2}'):
        bench.transport.send(Message("reported", body, retain=True), timeout_s=1)
    assert (bench.path / "outbox/reported.json").read_bytes() == b'{"v":2}'
    assert sorted(path.name for path in (bench.path / "outbox").iterdir()) == ["reported.json"]


def test_messages_are_lines_that_say_whose_and_when(bench: Bench) -> None:
    bench.open()
    bench.transport.send(Message("event/applied", b'{"version": 7}'), timeout_s=1)
    bench.transport.send(Message("event/log", b"\xff\n"), timeout_s=1)
    about = {"device": "line3-cam7", "ts": "2026-11-24T12:00:00.000Z"}
    assert bench.lines == [
        about | {"topic": "event/applied", "body": {"version": 7}},
        about | {"topic": "event/log", "base64": base64.b64encode(b"\xff\n").decode()},
    ]


def test_messages_are_bounded_by_two_files(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_bytes=1000)
    bench.open()
    for number in range(50):
        bench.transport.send(Message("event/applied", b'{"number": %d}' % number), timeout_s=1)
    bench.transport.close()
    files = sorted((tmp_path / "outbox").iterdir())
    assert [path.name for path in files] == ["messages.jsonl", "messages.jsonl.1"]
    assert all(path.stat().st_size <= 1000 for path in files)
    assert bench.lines[-1]["body"] == {"number": 49}


def test_a_line_cut_short_by_a_power_cut_spoils_only_itself(bench: Bench) -> None:
    bench.open()
    (bench.path / "outbox/messages.jsonl").write_bytes(b'{"topic":"event/a","bo')
    bench.transport.send(Message("event/applied", b"{}"), timeout_s=1)
    last = (bench.path / "outbox/messages.jsonl").read_bytes().splitlines()[-1]
    assert json.loads(last)["topic"] == "event/applied"


def test_a_medium_that_is_not_plugged_in_is_waited_for_and_never_made(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    bench = Bench(stick)
    bench.transport.open(bench.inbox.accept, bench.inbox.wake)
    detail = until(lambda: bench.transport.link().detail, "the reason")
    assert detail == f"cannot open {stick}: no such directory; is the medium mounted?"
    with pytest.raises(LinkDown, match="not there"):
        bench.transport.send(Message("reported", b"{}", retain=True), timeout_s=1)
    assert not stick.exists()
    stick.mkdir()
    settled(bench.transport, connected=True)
    bench.transport.close()


def test_a_topic_cannot_lead_out_of_the_outbox(bench: Bench) -> None:
    bench.open()
    bench.transport.send(Message("../../evil", b"{}", retain=True), timeout_s=1)
    assert [path.name for path in (bench.path / "outbox").iterdir()] == ["......evil.json"]
