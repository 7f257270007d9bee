"""What a file written by a person says, on which line, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.codec import MAX_BYTES, MAX_DEPTH, canonical
from edgetender.documents import load_document
from edgetender.errors import ManifestInvalid, NotFound, Problem


def read(text: str | bytes, name: str = "manifest.yaml") -> Any:
    return load_document(text.encode() if isinstance(text, str) else text, name).value


def faults(text: str | bytes, name: str = "manifest.yaml") -> tuple[Problem, ...]:
    with pytest.raises(ManifestInvalid) as caught:
        read(text, name)
    return caught.value.problems


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("no", "no"),  # Norway
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),  # YAML 1.1 reads 750
        ("22:22:22", "22:22:22"),
        ("0777", "0777"),
        ("0x1F", "0x1F"),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("+1", "+1"),
        ("2026-11-24", "2026-11-24"),
        ("1.10", 1.1),
        ('"1.10"', "1.10"),
        ("1.10.0", "1.10.0"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-0.5e3", -500.0),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("=", "="),
        ("<<", "<<"),
        ("x", "x"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_and_json_say_it_is(yaml: str, value: object) -> None:
    got = read(f"key: {yaml}\n")["key"]
    assert (got, type(got)) == (value, type(value))


def test_anchors_are_copied_where_they_are_named() -> None:
    assert read("a: &a {b: [1]}\nc: *a\n") == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    (fault,) = faults("modules:\n  scorer: 1\n  other: 2\n  scorer: 3\n")
    assert (fault.path, fault.code) == ("modules.scorer", "yaml.duplicate_key")
    assert fault.message == "key 'scorer' is given twice, first on line 2 at line 4 column 3"


def test_all_faults_are_told_at_once_with_their_places() -> None:
    found = faults("a: !!binary aGk=\n7: seven\nb: {x: 1, x: 2}\nc: !!float .nan\n")
    assert [(fault.path, fault.code) for fault in found] == [
        ("a", "yaml.scalar"),
        ("", "yaml.key"),
        ("b.x", "yaml.duplicate_key"),
        ("c", "yaml.scalar"),
    ]
    assert [fault.message.partition(" at line ")[2] for fault in found] == [
        "1 column 4",
        "2 column 1",
        "3 column 11",
        "4 column 4",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [id]\n",
        "a: !!set {x, y}\n",
        "a: !mine 1\n",
        "? [1, 2]\n: x\n",
        "a: !!int seven\n",
        "a: !!bool maybe\n",
    ],
)
def test_what_json_cannot_say_is_refused(text: str) -> None:
    (fault,) = faults(text)
    assert fault.code in {"yaml.tag", "yaml.scalar", "yaml.key"}


def test_an_alias_bomb_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (fault,) = faults("\n".join(lines))
    assert fault.code == "yaml.oversized"


def test_an_alias_that_holds_itself_is_refused() -> None:
    (fault,) = faults("a: &a [*a]\n")
    assert fault.code == "yaml.depth"


@pytest.mark.parametrize("opener", ["[", "{a: "])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5000])
def test_nesting_has_an_end(opener: str, depth: int) -> None:
    (fault,) = faults("a: " + opener * depth + "x" + ("]" if opener == "[" else "}") * depth)
    assert fault.code == "yaml.depth"


def test_size_has_an_end() -> None:
    (fault,) = faults("a: " + "x" * MAX_BYTES)
    assert fault.code == "yaml.oversized"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("a: [1,\nb: 2\n", "yaml.malformed", "line 3"),
        ("a: b: c\n", "yaml.malformed", "line 1 column 5"),
        ("a: 1\n--- \nb: 2\n", "yaml.malformed", "line 2"),
        ("a: *nobody\n", "yaml.malformed", "nobody"),
        ("a:\n\t- 1\n", "yaml.malformed", "line 2"),
        (b"a: \xff\n", "yaml.encoding", "byte 0xff at offset 3"),
        ("a: 1\nb: \x00\n", "yaml.malformed", "U+0000; write it as an escape, in quotes at line 2 column 4"),
        ('a: "\\ud800"\n', "yaml.encoding", "surrogate"),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(text: str | bytes, code: str, words: str) -> None:
    (fault,) = faults(text)
    assert fault.code == code
    assert words in fault.message


def test_positions_are_found_by_path_and_by_what_would_hold_it() -> None:
    document = load_document(
        b"modules:\n  scorer:\n    ports:\n      - {host: 80}\n      - {host: 81}\n", "m.yaml"
    )
    assert document.position_of("modules.scorer") == (2, 3)
    assert document.position_of("modules.scorer.ports[1].host") == (5, 10)
    assert document.position_of("modules.scorer.ports[1]") == (5, 9)
    assert document.position_of("modules.scorer.ports[7].host") == (3, 5)
    assert document.position_of("modules.scorer.image") == (2, 3)
    assert document.position_of("nothing.of.this") == (1, 1)


def test_positions_in_json_are_found_too() -> None:
    document = load_document(b'{\n\t"modules": {\n\t\t"scorer": {"a": "\\/"}\n\t}\n}\n', "m.json")
    assert document.value == {"modules": {"scorer": {"a": "/"}}}
    assert document.position_of("modules.scorer") == (3, 3)


@pytest.mark.parametrize("name", ["", "m.txt"])
def test_without_a_telling_name_a_brace_means_json(name: str) -> None:
    assert read('{"a": 1}', name) == {"a": 1}
    assert read(" \n{'a': 1}", "m.yaml") == {"a": 1}
    assert faults("{a: 1}", name)[0].code == "json.malformed"
    assert read("a: 1", name) == {"a": 1}


def test_a_file_is_named_as_it_was_given_and_one_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("version: 7\n")
    assert load_document(tmp_path / "m.yaml").name == str(tmp_path / "m.yaml")
    with pytest.raises(NotFound, match="No such file"):
        load_document(tmp_path / "absent.yaml")
    with pytest.raises(NotFound, match="Is a directory"):
        load_document(tmp_path)


def test_a_file_that_begins_with_a_byte_order_mark_is_read_all_the_same() -> None:
    assert read(b"\xef\xbb\xbfversion: 7\n") == {"version": 7}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        body = text.encode()
    except UnicodeEncodeError:
        return
    for name in ("m.yaml", "m.json", ""):
        try:
            document = load_document(body, name)
        except ManifestInvalid:
            continue
        canonical(document.value)
        document.position_of("a.b[0]")


# line breaks to YAML 1.1, whose scanner reads the text; 1.2 and JSON take them for characters like others
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=8)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6) | _TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_means_the_same_when_it_is_read_as_yaml(value: object) -> None:
    body = canonical({"value": value})
    try:
        as_yaml = read(body, "m.yaml")
    except ManifestInvalid:
        return  # YAML takes fewer characters, and wants a space after a colon
    assert as_yaml == read(body, "m.json")


def test_json_may_hold_a_character_that_yaml_does_not_take() -> None:
    document = load_document(b'{\n"a": "\x7f",\n"b": 1}', "m.json")
    assert document.value == {"a": "\x7f", "b": 1}
    assert document.position_of("b") == (3, 1)
