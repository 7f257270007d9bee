"""Maintenance windows: cron's fields, the zones' clocks and their two odd nights a year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from edgetender.decide.windows import opens_at, shuts_at
from edgetender.model.window import Window, cron_of, window_of

BERLIN = ZoneInfo("Europe/Berlin")


def window(text: str) -> Window:
    return window_of(text, lambda name: UTC if name == "UTC" else ZoneInfo(name))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_window_is_open_from_its_start_to_before_its_end():
    night = (window("0 2 * * * for 4h"),)
    assert shuts_at(night, at("2026-11-28 02:00")) == at("2026-11-28 06:00")
    assert shuts_at(night, at("2026-11-28 05:59:59")) == at("2026-11-28 06:00")
    assert shuts_at(night, at("2026-11-28 06:00")) is None
    assert shuts_at(night, at("2026-11-28 01:59:59")) is None
    assert opens_at(night, at("2026-11-28 06:00")) == at("2026-11-29 02:00")


def test_a_window_reaches_over_midnight_and_the_end_of_the_month():
    late = (window("0 22 31 * * for 8h"),)
    assert shuts_at(late, at("2027-02-01 05:00")) == at("2027-02-01 06:00")
    assert opens_at(late, at("2027-02-01 05:00")) == at("2027-03-31 22:00")


def test_a_window_is_meant_in_its_own_zone():
    night = (window("0 2 * * sat for 4h in Europe/Berlin"),)
    assert opens_at(night, at("2026-11-25 12:00")) == at("2026-11-28 01:00")
    assert opens_at(night, at("2026-07-01 12:00")) == at("2026-07-04 00:00")


def test_a_start_that_summer_time_skips_comes_after_the_change():
    skipped = (window("30 2 * * * for 1h in Europe/Berlin"),)
    opens = opens_at(skipped, at("2027-03-27 12:00"))
    assert opens == at("2027-03-28 01:30")
    assert opens.astimezone(BERLIN).strftime("%H:%M") == "03:30"


def test_a_start_in_the_hour_that_comes_twice_comes_once():
    twice = (window("30 2 * * * for 10m in Europe/Berlin"),)
    assert opens_at(twice, at("2026-10-24 12:00")) == at("2026-10-25 00:30")
    assert shuts_at(twice, at("2026-10-25 01:35")) is None
    assert opens_at(twice, at("2026-10-25 00:30")) == at("2026-10-26 01:30")


def test_a_window_lasts_as_long_as_it_says_whatever_the_clocks_do():
    over = (window("0 1 * * * for 4h in Europe/Berlin"),)
    for day in ("2027-03-28", "2026-10-25"):
        start = opens_at(over, at(f"{day} 00:00") - timedelta(hours=3))
        assert shuts_at(over, start) - start == timedelta(hours=4)


def test_of_several_windows_one_is_enough():
    both = (window("0 2 * * * for 1h"), window("30 2 * * * for 2h"))
    assert shuts_at(both, at("2026-11-28 02:45")) == at("2026-11-28 04:30")
    assert opens_at(both, at("2026-11-28 12:00")) == at("2026-11-29 02:00")


def test_29_february_is_found_and_30_february_never():
    assert opens_at((window("0 0 29 2 * for 1h"),), at("2096-03-01 00:00")) == at("2104-02-29 00:00")
    assert opens_at((window("0 0 30 2 * for 1h"),), at("2026-01-01 00:00")) is None


@pytest.mark.parametrize(
    ("text", "day", "fits"),
    [
        ("* * 13 * fri", "2026-11-13", True),
        ("* * 13 * fri", "2026-11-20", True),  # cron's rule: either is enough when both are given
        ("* * */2 * fri", "2026-11-20", False),
        ("* * * * 7", "2026-11-29", True),
        ("* * * * sun-tue", "2026-11-24", True),
        ("* * * jan,nov *", "2026-11-24", True),
        ("* * * 1-10/3 *", "2026-11-24", False),
    ],
)
def test_days_are_chosen_as_cron_does(text: str, day: str, fits: bool):
    assert cron_of(text).on(datetime.fromisoformat(day).date()) == fits


def test_steps_ranges_and_lists_are_read():
    cron = cron_of("*/20,5 1-3,22 * * *")
    assert (sorted(cron.minutes), sorted(cron.hours)) == ([0, 5, 20, 40], [1, 2, 3, 22])
    assert sorted(cron_of("5/20 * * * *").minutes) == [5, 25, 45]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 2 * * sat", "is no window"),
        ("0 2 * * for 4h", "has 4 fields"),
        ("60 2 * * * for 4h", "'60' is no minute: 0 to 59"),
        ("0 2 0 * * for 4h", "'0' is no day of the month"),
        ("0 2 * * mun for 4h", "'mun' is no day of the week"),
        ("0 5-2 * * * for 4h", "ends before it begins"),
        ("*/0 2 * * * for 4h", "'*/0' is no minute of cron's"),
        ("0 2 * * * for 30s", "no length of a window"),
        ("0 2 * * * for 8d", "no length of a window"),
        ("0 2 * * * for ever", "no duration"),
    ],
)
def test_what_is_no_window_says_which_part_is_wrong(text: str, why: str):
    with pytest.raises(ValueError) as refused:
        window(text)
    assert why in str(refused.value)
