"""Is the candidate worse at answering than the version before it?"""

from __future__ import annotations

import pytest

from edgetender.decide.traffic import worse
from edgetender.model.front import NAT, PROXY, FrontServer, FrontState, Member

OLD, NEW = "a" * 64, "b" * 64


def front(*servers: FrontServer) -> FrontState:
    return FrontState("web", PROXY, "", running=True, target=Member(NEW, "10.77.0.3"), servers=servers)


def old(requests: int | None, errors: int | None) -> FrontServer:
    return FrontServer(OLD, "10.77.0.2", receives=False, requests=requests, errors=errors)


def new(requests: int | None, errors: int | None) -> FrontServer:
    return FrontServer(NEW, "10.77.0.3", receives=True, requests=requests, errors=errors)


@pytest.mark.parametrize(
    ("before", "now", "bad"),
    [
        ((1000, 0), (20, 5), True),
        ((0, 0), (100, 100), True),
        ((1000, 10), (100, 5), True),
        ((1000, 0), (19, 19), False),
        ((1000, 0), (1000, 4), False),
        ((1000, 0), (1000, 49), False),
        ((1000, 200), (100, 60), False),
        ((None, None), (None, None), False),
    ],
    ids=[
        "every fourth", "all, and nobody asked the old one", "five times as many", "too few requests",
        "too few errors", "less than one in twenty", "the old one is hardly better", "no figures",
    ],
)  # fmt: skip
def test_it_is_worse_when_many_more_requests_fail_than_before(before, now, bad):
    said = worse(front(old(*before), new(*now)))
    assert (said is not None) == bad
    assert said is None or said.startswith(f"{now[1]} of {now[0]} requests failed")


def test_without_a_predecessor_behind_the_front_there_is_nothing_to_compare():
    assert worse(front(new(100, 100))) is None
    assert worse(FrontState("web", NAT, "", running=True)) is None
