"""Every value the ledger can hold is read back as it was written; what a neighbouring release wrote is understood."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetender.model.ledger import Decision, HistoryEntry, Ledger
from edgetender.store import ledger_json

moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates, too
st.register_type_strategy(datetime, moments)
st.register_type_strategy(str, texts)


@given(st.builds(Ledger))
def test_any_ledger_reads_back_as_it_was_written(ledger: Ledger) -> None:
    again = Ledger(
        **{
            section: ledger_json.load_section(section, ledger_json.dump(getattr(ledger, section)))
            for section in ledger_json.SECTIONS
        }
    )
    assert again == ledger


@given(st.builds(HistoryEntry), st.builds(Decision))
def test_any_decision_and_history_entry_reads_back(made: HistoryEntry, decision: Decision) -> None:
    assert ledger_json.load(HistoryEntry, ledger_json.dump(made)) == made
    assert ledger_json.load(Decision, ledger_json.dump(decision)) == decision


def test_a_neighbouring_release_is_understood() -> None:
    assert ledger_json.load(
        Decision, '{"delivery": 1, "code": 200, "description": "", "new": 1}'
    ) == Decision(1, 200, "")
    for broken in ('{"delivery": 1}', '{"delivery": true, "code": 1, "description": ""}', "[]"):
        with pytest.raises(ValueError):
            ledger_json.load(Decision, broken)
