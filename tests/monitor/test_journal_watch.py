"""What is in a journal is read with every look, but for what takes long to be counted."""

from pathlib import Path

import pytest

from scheduler.operations.facts import journal as journals
from scheduler.transactions.journal import Journal
from tests.transactions.samples import ACCOUNT, intent, prepared


def test_a_large_journal_is_not_counted_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 90,000 intents it took a tenth of a core, for ever."""
    place = tmp_path / "journal.db"
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    watch = journals.JournalWatch(place)
    # As if it had taken long.
    monkeypatch.setattr(journals, "COUNTING_SHARE", 1e-9)
    assert watch.look(None, None).journal.intents == {}
    journal.reserve(ACCOUNT, [prepared(0, intent("a"))])
    found = watch.look(None, None)
    assert found.journal.intents == {}
    # What the account's nonces and open slots are compared with is of now.
    assert [slot.intent for slot in found.journal.open_slots] == ["a"]
    assert [known.next_nonce for known in found.accounts] == [1]
    # Of a chain that was not known before nothing was counted.
    assert watch.look(ACCOUNT.chain, None).journal.intents == {"in_slot": 1}
    monkeypatch.setattr(journals, "COUNTED_SECONDS", 0.0)
    watch.look(None, None)
    assert watch.look(None, None).journal.intents == {"in_slot": 1}
    journal.close()
