"""An agent that fails by itself again and again holds itself back; kills and refusals to start are no failures."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.crashes import STABLE_S, Crashes
from edgetender.decide.safe_mode import BY, MOST, Failed, held_back, once_more, safe_mode, trusted_again
from edgetender.errors import EngineDown
from edgetender.eventlog import EventLog
from edgetender.model.gate import DEVICE, Hold, Passage
from edgetender.model.ledger import Ledger
from edgetender.store.outbox import SqliteOutbox
from tests.builders.devices import look
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.store import FakeStore

BOOT, OTHER_BOOT = 7, 8
OPERATORS = Hold("cli (uid 0)", NOON, NOON + timedelta(hours=1), "stocktaking")
TOO_OFTEN = Failed(BOOT, MOST, "RuntimeError in planner.py:12")
holds = st.dictionaries(st.sampled_from([DEVICE, "scorer"]), st.just(OPERATORS))


class Site:
    """A device whose agent fails, or not."""

    def __init__(self, home: Path) -> None:
        self.file, self.clock, self.boot = home / "crashes.json", FakeClock(), BOOT
        self.store = FakeStore()

    def run(self, error: BaseException | None = None, *, lasts_s: float = 1.0, killed: bool = False) -> None:
        fatal: list[BaseException] = []
        crashes = Crashes(self.file, self.boot, self.clock, fatal)
        self.clock.advance(lasts_s)
        crashes.goes_on()
        if not killed:
            with crashes:
                fatal += [error] if error is not None else []

    def fails(self, times: int = 1) -> None:
        for _ in range(times):
            self.run(RuntimeError("a bug"))

    def safe(self) -> str | None:
        """Whether it would start in safe mode now, and why."""
        outbox = SqliteOutbox(self.file.with_name("queue.db"), clock=self.clock)
        self.events = EventLog("cam", outbox, NOON)
        Crashes(self.file, self.boot, self.clock, []).hold_back(self.store, self.events, NOON)
        outbox.close()
        return safe_mode(self.store.ledger())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_after_five_failures_in_a_row_it_holds_itself_back_and_says_why(site: Site) -> None:
    site.fails(MOST - 1)
    assert site.safe() is None
    site.fails()
    said = site.safe()
    assert said is not None
    assert said.startswith("safe mode: the agent failed 5 times in a row, the last time with RuntimeError")
    (event,) = site.events.recent()
    assert (event["type"], event["by"], event["reason"]) == ("hold.set", BY, said)


def test_it_says_so_once_however_often_it_fails_in_safe_mode(site: Site) -> None:
    site.fails(MOST)
    first = site.safe()
    site.fails(3)
    assert site.safe() == first
    assert site.events.recent() == ()


def test_what_a_failure_said_stays_in_the_log(site: Site) -> None:
    for _ in range(MOST):
        site.run(RuntimeError("password=canary"))
    assert "canary" not in site.file.read_text()
    assert "canary" not in str(site.safe())


def test_where_it_failed_is_told(site: Site) -> None:
    try:
        json.loads("{")
    except ValueError as error:
        for _ in range(MOST):
            site.run(error)
    assert "JSONDecodeError in decoder.py:" in str(site.safe())


@pytest.mark.parametrize(
    "good", [{"lasts_s": 1.0}, {"lasts_s": STABLE_S, "killed": True}], ids=["ends well", "lasts"]
)
def test_a_good_run_ends_the_row(site: Site, good: dict[str, float]) -> None:
    site.fails(MOST - 1)
    site.run(**good)  # type: ignore[arg-type]
    site.fails(MOST - 1)
    assert site.safe() is None


def test_a_run_that_lasted_and_then_failed_begins_the_row_anew(site: Site) -> None:
    site.fails(MOST - 1)
    site.run(RuntimeError("a bug"), lasts_s=STABLE_S)
    assert site.safe() is None
    site.fails(MOST - 1)
    assert site.safe() is not None


def test_kills_are_nobodys_failure_and_end_no_row(site: Site) -> None:
    for _ in range(20):
        site.run(killed=True)
    assert site.safe() is None
    site.fails(MOST - 1)
    site.run(killed=True)
    site.fails()
    assert site.safe() is not None


def test_what_a_person_must_repair_before_it_can_start_is_no_failure(site: Site) -> None:
    for _ in range(20):
        with pytest.raises(EngineDown), Crashes(site.file, BOOT, site.clock, []):
            raise EngineDown("cannot lock")
    assert site.safe() is None


def test_an_exception_on_the_way_up_is_one(site: Site) -> None:
    for _ in range(MOST):
        with pytest.raises(ZeroDivisionError), Crashes(site.file, BOOT, site.clock, []):
            raise ZeroDivisionError
    assert site.safe() is not None


def test_another_boot_begins_anew(site: Site) -> None:
    site.fails(MOST)
    site.boot = OTHER_BOOT
    assert site.safe() is None
    site.fails()
    assert site.safe() is None


@pytest.mark.parametrize("damage", ["", "[", "{}", "7", '["a", "b", "c"]', "[1]"])
def test_a_file_that_cannot_be_read_counts_nothing(site: Site, damage: str) -> None:
    site.file.write_text(damage)
    assert site.safe() is None
    site.fails(MOST)
    assert site.safe() is not None


def test_a_place_that_cannot_be_written_to_ends_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path / "missing")
    site.fails(MOST)
    assert not site.file.exists()


# --- the decision


@given(st.integers(0, 20), st.integers(0, 3), st.integers(0, 3), holds)
def test_it_is_held_back_within_its_boot_alone_and_what_others_hold_stays(times, boot, now_boot, held):
    before = Ledger(holds=held, passage=Passage("a", began=True))
    after = held_back(before, Failed(boot, times, "x"), now_boot, NOON)
    safe = times >= MOST and boot == now_boot != 0
    assert (after != before) == safe
    assert held.items() <= dict(after.holds).items()
    assert (safe_mode(after) is not None) == (safe and DEVICE not in held)
    assert after.passage.began == (not safe)
    assert held_back(after, Failed(boot, times, "x"), now_boot, NOON + timedelta(days=1)) == after
    assert dict(trusted_again(after, "mqtt", "version 3 came").holds) == held


@given(st.lists(st.integers(1, 2), max_size=20))
def test_a_row_is_counted_within_one_boot(boots):
    failed = Failed()
    for boot in boots:
        failed = once_more(failed, boot, "x")
    row = 0
    for boot in reversed(boots):
        if boot != boots[-1]:
            break
        row += 1
    assert failed.times == row


def test_the_check_fails_in_safe_mode_and_says_what_ends_it(tmp_path: Path) -> None:
    assert look("safe_mode", tmp_path, ledger=Ledger()).severity == "ok"
    assert look("safe_mode", tmp_path, ledger=Ledger(holds={DEVICE: OPERATORS})).severity == "ok"
    found = look("safe_mode", tmp_path, ledger=held_back(Ledger(), TOO_OFTEN, BOOT, NOON))
    assert found.severity == "error"
    assert "planner.py:12" in found.said
    assert "edgetender release" in found.repair
    assert look("safe_mode", tmp_path).severity == "skipped"
