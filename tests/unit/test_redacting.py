"""What must not stand in a file for others does not; what they need still does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.support.credentials import credentials_in
from edgetender.support.redacting import Redactor, fingerprint, secret_values, without_environment

CANARY = "canary-41c0ffee"


@pytest.mark.parametrize(
    "text",
    [
        f"the password is {CANARY} here",
        f'{{"password": "{CANARY}"}}',
        f"password = {CANARY}",
        f"PASSWORD={CANARY} next",
        f"DB_PASSWORD: '{CANARY} with blanks'",
        f"api_key={CANARY}&x=1",
        f"x-api-key: {CANARY}",
        f"MY_ACCESS_KEY={CANARY}",
        f"token: {CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}==",
        f"https://user:{CANARY}@hub.example/x",
        f"amqps://{CANARY}@hub.example",
        f"HostName=h;SharedAccessKey={CANARY};DeviceId=d",
        f"SharedAccessSignature sr=h&sig={CANARY}&se=1",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n(cut off)",
        f"eyJhbGciOiJI.eyJzdWIi{CANARY}.{CANARY}",
    ],
)
def test_no_secret_stands_after_it(text: str) -> None:
    known = Redactor([CANARY]) if "the password is" in text else Redactor()
    assert CANARY not in known.text(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-24T12:00:00Z GET /score 200",
        "registry.example/scorer@sha256:" + "a" * 64,
        "mqtts://hub.example:8883 is connected",
        "the key word is not a secret",
        "token bucket refilled",
        "pulls will fail: 3.1 GiB of 64.0 GiB free",
        "basic checks passed",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor([CANARY]).text(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    said = Redactor().text('connecting {"host": "hub", "password": "x1y2z3", "port": 5}')
    assert said == 'connecting {"host": "hub", "password": "***", "port": 5}'


def test_a_secret_that_is_part_of_a_longer_one_does_not_save_the_rest() -> None:
    assert Redactor(["abcd", "abcdefgh"]).text("x abcdefgh y") == "x *** y"


def test_a_word_of_three_letters_is_no_secret_worth_a_black_log() -> None:
    assert Redactor(["abc", ""]).text("abc def") == "abc def"


def test_an_environment_keeps_its_names_and_shows_which_values_are_alike() -> None:
    inspected = [{"Config": {"Env": ["MODE=fast", f"DB_PASSWORD={CANARY}", "EMPTY=", "BARE"], "Image": "x"}}]
    (shown,) = without_environment(inspected)
    assert shown["Config"]["Env"] == [
        f"MODE={fingerprint('fast')}",
        f"DB_PASSWORD={fingerprint(CANARY)}",
        "EMPTY=",
        "BARE",
    ]
    assert shown["Config"]["Image"] == "x"
    assert CANARY not in str(shown)
    assert secret_values(inspected) == {CANARY}


def test_a_redactor_does_not_print_what_it_knows() -> None:
    assert CANARY not in repr(Redactor([CANARY]))


def test_the_passwords_of_every_place_are_known_and_a_place_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "hub").write_text(json.dumps({"username": "line3", "password": CANARY}))
    assert credentials_in(tmp_path, tmp_path / "none") == {CANARY}


VALUES = st.none() | st.booleans() | st.integers() | st.text("abc 1\"\\'", min_size=1)


@given(st.dictionaries(st.sampled_from(("password", "credential", "api_key", "name")), VALUES))
def test_json_stays_json(document: dict[str, object]) -> None:
    for text in (json.dumps(document), json.dumps({"credentials": document, "tokens": [document]}, indent=2)):
        found = json.loads(Redactor().text(text))
        found = found.get("credentials", found)
        assert found.keys() == document.keys()
        for name, value in document.items():
            shown = value if name == "name" or value is None or isinstance(value, bool) else "***"
            assert found[name] == shown
