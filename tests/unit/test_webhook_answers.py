"""What does an answer of the owner's own service mean for the event?"""

from __future__ import annotations

import pytest

from edgetender.model.webhook import Reaction, answer_of


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (100, Reaction.LATER),
        (200, Reaction.TAKEN),
        (204, Reaction.TAKEN),
        (301, Reaction.REPAIR),
        (308, Reaction.REPAIR),
        (400, Reaction.REFUSED),
        (401, Reaction.REPAIR),
        (403, Reaction.REPAIR),
        (404, Reaction.REPAIR),
        (405, Reaction.REPAIR),
        (408, Reaction.LATER),
        (410, Reaction.REPAIR),
        (413, Reaction.REFUSED),
        (422, Reaction.REFUSED),
        (425, Reaction.LATER),
        (429, Reaction.LATER),
        (500, Reaction.LATER),
        (503, Reaction.LATER),
        (999, Reaction.LATER),
    ],
)
def test_a_status_says_what_is_done_with_the_event(status: int, expected: Reaction) -> None:
    assert answer_of(status).reaction is expected


def test_every_answer_but_a_yes_says_why_and_only_a_refusal_of_the_event_itself_costs_it() -> None:
    for status in range(100, 1000):
        answer = answer_of(status)
        assert bool(answer.why) is (answer.reaction is not Reaction.TAKEN)
        assert answer.reaction is not Reaction.REFUSED or status // 100 == 4
