"""Does the trace that a push began go with the manifest, and change nothing of it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.codec import MAX_BYTES, canonical
from edgetender.model.trace import carrying, is_traceparent, parted, trace_id, traceparent
from tests.builders.manifests import body, manifest

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_what_is_carried_comes_apart_again_and_leaves_the_manifest_as_it_was():
    whole = canonical(manifest(1))
    assert parted(carrying(whole, PARENT)) == (whole, PARENT)


def test_a_trace_of_its_own_is_one_that_tools_can_look_for():
    parent = traceparent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert (parent, trace_id(parent)) == (PARENT, "4bf92f3577b34da6a3ce929d0e0e4736")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("", id="nothing"),
        pytest.param(PARENT.upper(), id="upper_case"),
        pytest.param("01" + PARENT[2:], id="another_version"),
        pytest.param(PARENT + "-", id="longer"),
        pytest.param(PARENT + "\n", id="with_a_line_end"),
        pytest.param("00-" + 32 * "0" + "-00f067aa0ba902b7-01", id="no_trace"),
        pytest.param("00-4bf92f3577b34da6a3ce929d0e0e4736-" + 16 * "0" + "-01", id="no_span"),
    ],
)
def test_what_is_no_traceparent_is_not_carried_and_stays_where_it_was(said):
    assert not is_traceparent(said)
    assert carrying(body(manifest(1)), said) == body(manifest(1))
    beside = canonical(manifest(1) | {"traceparent": said})
    assert parted(beside) == (beside, "")


def test_a_manifest_that_has_one_keeps_it():
    has_one = carrying(body(manifest(1)), PARENT)
    assert carrying(has_one, PARENT.replace("4bf", "5bf")) == has_one


def test_a_manifest_without_room_goes_without():
    full = canonical({"x": "y" * (MAX_BYTES - 10)})
    assert carrying(full, PARENT) == full


@given(st.binary() | st.text().map(str.encode) | st.just(b'{"traceparent":'))
def test_no_bytes_make_it_fail(raw):
    assert parted(raw)[1] == ""
    assert carrying(raw, PARENT) in (raw, parted(raw)[0]) or parted(carrying(raw, PARENT))[1] == PARENT
