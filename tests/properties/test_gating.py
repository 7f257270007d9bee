"""What holds of windows and holds, whatever is set and whatever the time is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.gating import gate, is_frozen, went_on
from edgetender.decide.resolving import aim
from edgetender.decide.windows import opens_at, shuts_at
from edgetender.model.gate import Hold, Passage, Rules
from edgetender.model.observed import Observed
from edgetender.model.window import Cron, Window
from tests.builders.effort import examples
from tests.builders.ledgers import holding, resolution
from tests.builders.manifests import SCORER, manifest, module, slot

ZONES = [UTC, *map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"))]
ONE, TWO = manifest(1), manifest(2, scorer=module(env={"V": "2"}))
moments = st.integers(1735689600, 1956528000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
many = examples(100)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    def some(least: int, most: int) -> frozenset[int]:
        return draw(st.frozensets(st.integers(least, most), min_size=1, max_size=3))

    cron = Cron(
        some(0, 59), some(0, 23), some(1, 28), frozenset(range(1, 13)), some(0, 6), draw(st.booleans())
    )
    length = timedelta(minutes=draw(st.integers(1, 7 * 1440)))
    return Window("generated", cron, length, draw(st.sampled_from(ZONES)))


def holds() -> st.SearchStrategy[Hold]:
    return st.builds(Hold, st.just("somebody"), moments, st.none() | moments)


@many
@given(windows(), moments)
def test_a_window_that_opens_is_open_then_and_was_not_about_to_before(window: Window, now: datetime):
    opens = opens_at((window,), now)
    if opens is None:
        return  # both of its days never meet
    assert opens > now
    shuts = shuts_at((window,), opens)
    assert shuts is not None
    assert shuts >= opens + window.length
    if opens - now > timedelta(seconds=1) and shuts_at((window,), now) is None:
        assert shuts_at((window,), opens - timedelta(seconds=1)) is None


@many
@given(windows(), moments)
def test_a_window_shuts_when_it_says(window: Window, now: datetime):
    shuts = shuts_at((window,), now)
    if shuts is not None:
        assert now < shuts <= now + window.length
        assert shuts_at((window,), shuts - timedelta(microseconds=1)) is not None


@many
@given(
    st.lists(windows(), max_size=2),
    st.lists(windows(), max_size=2),
    st.dictionaries(st.sampled_from(["", "scorer", "other"]), holds(), max_size=3),
    st.dictionaries(st.sampled_from(["scorer", "other"]), holds(), max_size=2),
    st.booleans(),
    st.booleans(),
    moments,
)
def test_what_is_held_is_never_begun_and_what_began_is_never_left(
    download, apply, held, locks, hurry: bool, began: bool, now: datetime
):
    ledger = holding(ONE, TWO, holds=held, passage=Passage(slot(TWO).sha256, hurry, began))
    rules = Rules(tuple(download), tuple(apply), timedelta(hours=24))
    old, new = resolution(ONE), resolution(TWO)
    found = gate(ledger, rules, Observed(locks=locks), new, old, now)
    target = aim(new, old, Observed(images=frozenset({SCORER})), found)
    assert (target.version == 2) == (found.apply is None)
    if began:
        assert target.version == 2
        return
    frozen = [name for name in ("", "scorer") if name in held and (held[name].until or now) >= now]
    if any(held[name].until is None or held[name].until > now for name in frozen):
        assert target.version == 1
    elif hurry or not (download or apply or locks):
        assert target.version == 2
    if is_frozen(ledger, now):
        assert found.download is not None
        assert target.fetch == ()
    for moment in found.moments:
        assert moment > now
    assert went_on(ledger, target, now).passage.began is False or target.version == 2


@many
@given(st.dictionaries(st.sampled_from(["scorer"]), holds(), min_size=1), st.integers(0, 48), moments)
def test_a_module_delays_a_version_no_longer_than_the_device_s_owner_allows(locks, hours: int, now: datetime):
    ledger = holding(ONE, TWO)
    rules = Rules(delay_most=timedelta(hours=hours))
    old, new = resolution(ONE), resolution(TWO)
    end = now + rules.delay_most
    moment = now
    while True:
        found = gate(ledger, rules, Observed(locks=locks), new, old, moment)
        target = aim(new, old, Observed(images=frozenset({SCORER})), found)
        if target.version == 2:
            break
        assert moment < end
        ledger = went_on(ledger, replace(target, gate=found), moment)
        moment = found.apply.until
    assert moment <= max(now, end)
