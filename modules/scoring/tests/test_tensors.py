"""Do lists of numbers become what numpy makes of them, whichever way they go?"""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender_scoring.tensors import Refused, from_json

TYPES = {"FP32": np.float32, "FP64": np.float64}
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**64 - 1),
    st.booleans(),
    st.none(),
    st.sampled_from(["", "1.5", "x", {}, {"a": 1}, [], [1], 1e39, 3.4028235677973366e38]),
)


def rows(values, shape):
    """Nested lists of *shape*, the values over and over."""
    if not shape:
        return next(values)
    return [rows(values, shape[1:]) for _ in range(shape[0])]


@given(
    shape=st.sampled_from([(), (3,), (100,), (1, 70), (40, 2), (2, 3, 20), (1, 3, 5, 5)]),
    values=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20),
    odd=st.lists(st.tuples(st.integers(0, 99), VALUES), max_size=2),
    datatype=st.sampled_from(list(TYPES)),
)
def test_lists_become_what_numpy_makes_of_them(shape, values, odd, datatype):
    flat = [values[at % len(values)] for at in range(120)]
    for at, value in odd:
        flat[at] = value
    given_rows = rows(iter(flat), shape)
    with warnings.catch_warnings(action="ignore"):  # numpy's on values beyond the type
        try:
            expected = np.asarray(given_rows, TYPES[datatype])
        except (ValueError, TypeError, OverflowError):
            with pytest.raises(Refused):
                from_json("x", datatype, given_rows)
            return
        found = from_json("x", datatype, given_rows)
    assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


@pytest.mark.parametrize(
    "ragged",
    [
        [[1.0] * 50, [1.0] * 49],
        [[[1.0, 2.0]] * 40, [[1.0], [1.0, 2.0, 3.0]] * 20],
        [[1.0] * 70, 1.0],
        [1.0] * 70 + [[1.0]],
        [[1.0] * 70, "a" * 70],
        [[1.0] * 70, {str(at): 1 for at in range(70)}],
    ],
)
def test_rows_of_different_lengths_are_no_tensor(ragged):
    with pytest.raises(Refused):
        from_json("x", "FP32", ragged)
