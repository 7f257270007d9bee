"""Is each id another, and does it look like what the contract's clients expect?"""

from uuid import UUID

from edgetender_scoring.ids import IdSource


def test_ids_are_random_uuids_to_look_at_and_none_comes_twice():
    source = IdSource()
    made = [source.new() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(str(UUID(one)) == one and UUID(one).version == 4 for one in made)
