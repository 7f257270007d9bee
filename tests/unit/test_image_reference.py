"""What names an image, and what does not: the grammar of distribution's reference package."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.model.image import HUB, ImageReference, parse_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4
component = st.from_regex(r"[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
port = st.integers(1, 65535).map(lambda number: f":{number}")
registry = st.one_of(
    st.just("localhost"),
    st.lists(label, min_size=2, max_size=3).map(".".join),
    st.builds(lambda name, number: name + number, label, port),
    st.builds(lambda name, number: name + number, st.sampled_from(["[::1]", "[2001:db8::a]"]), port),
)
path = st.lists(component, min_size=1, max_size=3).map("/".join)
tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
digest = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(registry, path, tag)
def test_each_part_is_found_again(host, repository, version):
    parsed = parse_reference(f"{host}/{repository}:{version}")
    assert parsed == ImageReference(host, repository, version, None)


@given(registry, path, st.none() | tag, st.none() | digest)
def test_what_is_written_is_read_the_same(host, repository, version, exact):
    text = f"{host}/{repository}" + (f":{version}" if version else "") + (f"@{exact}" if exact else "")
    parsed = parse_reference(text)
    again = parse_reference(str(parsed))
    assert str(again) == str(parsed)
    assert (again.name, again.digest) == (parsed.name, parsed.digest)
    assert parsed.tag or parsed.digest, "something is always asked for"


@given(registry, path, digest)
def test_pinning_keeps_the_name_and_drops_the_tag(host, repository, exact):
    pinned = parse_reference(f"{host}/{repository}:1").pinned(exact)
    assert str(pinned) == f"{host}/{repository}@{exact}"


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_with_a_reason(text):
    try:
        parsed = parse_reference(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017  either outcome is right, a reason is not optional
    else:
        assert re.fullmatch(r"[!-~]+", str(parsed))
        assert parse_reference(str(parsed)).name == parsed.name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("busybox", "docker.io/library/busybox"),
        ("team/model", "docker.io/team/model"),
        ("docker.io/busybox", "docker.io/library/busybox"),
        ("localhost/model", "localhost/model"),
        ("registry.example/model", "registry.example/model"),
        ("registry:5000/model", "registry:5000/model"),
        ("Registry/model", "Registry/model"),
    ],
)
def test_what_people_leave_out_is_filled_in_as_docker_does(text, name):
    assert parse_reference(text).name == name
    assert (parse_reference(text).registry == HUB) == name.startswith(HUB)
    assert parse_reference(text).tag == "latest"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        (":1.0", "no name"),
        ("registry.example/", "no name"),
        ("registry.example/:1", "no name"),
        ("https://registry.example/model", "scheme"),
        ("registry.example/Model:1", "no image reference"),
        ("registry.example/a..b", "no image reference"),
        ("registry.example/a___b", "no image reference"),
        ("model:" + "x" * 129, "no image reference"),
        ("model:-1", "no image reference"),
        ("model\n", "no image reference"),
        ("model@sha256:12", "64 hex digits"),
        ("model@md5:" + "0" * 32, "64 hex digits"),
        ("m" * 256, "longer than 255"),
        ("m" * 513, "longer than 512"),
        ("registry.example/../../etc", "no image reference"),
        ("modél", "no image reference"),
    ],
)
def test_what_is_no_reference_says_why(text, why):
    with pytest.raises(ValueError, match=why):
        parse_reference(text)
