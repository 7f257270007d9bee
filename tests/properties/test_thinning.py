"""Whatever the figures do: what is known upstream is near the truth, and silence costs a heartbeat."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edgetender.decide.bands import Told, band, figures_of, is_news

HOUR_S = 3600.0
NUMBERS = st.floats(0, 1e12, allow_nan=False)
SAMPLES = st.fixed_dictionaries(
    {
        "cpuRatio": st.floats(0, 8),
        "memoryBytes": NUMBERS,
        "load1": st.floats(0, 64),
        "agent": st.just("0.1.0"),
    },
    optional={
        "temperatureCelsius": st.dictionaries(st.sampled_from(["cpu", "gpu"]), st.floats(-40, 125)),
        "modules": st.dictionaries(
            st.sampled_from(["scorer", "camera"]),
            st.fixed_dictionaries(
                {
                    "errorsPerSecond": st.floats(0, 100),
                    "requests": st.integers(0, 10**9),
                    "restarts": st.integers(0, 3),
                }
            ),
        ),
        "diskFreeBytes": st.none() | NUMBERS,
    },
)


def told_of(samples: list[dict[str, Any]], interval_s: float) -> list[tuple[int, Told]]:
    """What was told, as it stood after each sample, with how many messages that took."""
    told, count, states = None, 0, []
    for number, sample in enumerate(samples):
        figures, at = figures_of(sample), number * interval_s
        if is_news(told, figures, at, HOUR_S):
            told, count = Told(figures, at), count + 1
        assert told is not None
        states.append((count, told))
    return states


@given(st.lists(SAMPLES, min_size=1, max_size=20))
def test_what_was_told_is_never_further_from_the_truth_than_its_band(samples: list[dict[str, Any]]) -> None:
    for sample, (_, told) in zip(samples, told_of(samples, 60.0), strict=True):
        figures = figures_of(sample)
        assert figures.keys() == told.figures.keys()
        for path, now in figures.items():
            said, found = told.figures[path], band(path)
            if found is None:
                assert path[-1] == "requests" or said == now
            elif said != now:
                assert abs(said - now) < max(found.absolute, found.relative * abs(said))


@given(SAMPLES, st.integers(1, 200))
def test_where_nothing_changes_there_is_one_message_an_hour(sample: dict[str, Any], minutes: int) -> None:
    (count, _) = told_of([sample] * (minutes + 1), 60.0)[-1]
    assert count == 1 + minutes // 60


@given(st.lists(SAMPLES, min_size=1, max_size=100))
def test_no_silence_is_longer_than_a_heartbeat(samples: list[dict[str, Any]]) -> None:
    for number, (_, told) in enumerate(told_of(samples, 60.0)):
        assert number * 60.0 - told.at < HOUR_S
