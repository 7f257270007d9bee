"""Which version is meant, where a later epoch has the same number?"""

from __future__ import annotations

import pytest

from edgetender.model.edition import is_edition, meant, named

KNOWN = [(2, 8), (2, 7), (1, 7), (1, 6)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (7, (2, 7)),
        (6, (1, 6)),
        (9, None),
        ("1:7", (1, 7)),
        ("2:7", (2, 7)),
        ("2:6", None),
        ("7", (2, 7)),
        ("07", None),
    ],
)
def test_a_number_alone_is_of_the_newest_epoch_that_has_it(asked, found):
    assert meant(asked, KNOWN) == found


def test_each_has_a_name_of_its_own_and_is_found_by_it():
    names = [named(one, KNOWN) for one in KNOWN]
    assert names == ["8", "7", "1:7", "6"]
    assert [meant(name, KNOWN) for name in names] == KNOWN


@pytest.mark.parametrize(
    "asked", [0, -1, True, None, 1.5, "7", "1:", ":7", "1:0", "1:7:1", "1:\u0667", [], "1:7\n"]
)
def test_what_is_no_version_can_be_meant_for_none(asked):
    assert not is_edition(asked)


@pytest.mark.parametrize("asked", [1, 2**53, "0:7", "1:13"])
def test_what_is_one_can(asked):
    assert is_edition(asked)
