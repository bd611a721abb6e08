"""Nonces at the commit: each once, none left out, whatever happened since preparing."""

import pytest

from scheduler.transactions.journal import Account, Journal
from tests.transactions.rig import Office, later


def nonces(office: Office) -> list[int]:
    """Of what the office itself sent."""
    return [attempt.nonce for attempt in office.open_attempts() if not attempt.is_found]


async def settle(office: Office, effects: int) -> None:
    """Sends what is committed, mines it, and expects so many effects from as many nonces."""
    await office.sender.broadcast(office.open_attempts())
    office.bench.mine()
    assert office.hits == effects
    assert office.bench.nonce(office.address, "pending") == effects


async def test_what_is_no_longer_due_is_dropped(on_anvil: Office) -> None:
    head = await on_anvil.head()
    prepared = await on_anvil.prepared(on_anvil.wish(last_block=head.number + 1))
    on_anvil.bench.mine()
    assert await on_anvil.sender.commit(prepared, await on_anvil.head()) == []
    assert on_anvil.journal.intent_states(["one"]) == {}


async def test_what_is_not_due_yet_is_dropped(on_anvil: Office) -> None:
    head = await on_anvil.head()
    prepared = await on_anvil.prepared(on_anvil.wish(first_block=head.number + 2))
    assert await on_anvil.sender.commit(prepared, head) == []
    on_anvil.bench.mine()
    [attempt] = await on_anvil.sender.commit(prepared, await on_anvil.head())
    assert attempt.nonce == 0
    await settle(on_anvil, effects=1)


async def test_what_is_dropped_leaves_no_gap_before_the_others(on_anvil: Office) -> None:
    """The others kept their nonces, and none of them could ever be mined."""
    head = await on_anvil.head()
    passing = on_anvil.wish("passing", last_block=head.number + 1)
    prepared = await on_anvil.prepared(passing, on_anvil.wish("a"), on_anvil.wish("b"))
    assert [item.transaction.nonce for item in prepared] == [0, 1, 2]
    on_anvil.bench.mine()
    await on_anvil.sender.commit(prepared, await on_anvil.head())
    assert nonces(on_anvil) == [0, 1]
    await settle(on_anvil, effects=2)


async def test_a_nonce_given_to_another_meanwhile_is_signed_again(on_anvil: Office) -> None:
    head = await on_anvil.head()
    slow = await on_anvil.prepared(on_anvil.wish("slow"))
    quick = await on_anvil.prepared(on_anvil.wish("quick"))
    assert slow[0].transaction.nonce == quick[0].transaction.nonce
    await on_anvil.sender.commit(quick, head)
    [attempt] = await on_anvil.sender.commit(slow, head)
    assert nonces(on_anvil) == [0, 1]
    assert slow[0].signed is not None
    assert attempt.raw != slow[0].signed.raw
    await settle(on_anvil, effects=2)


async def test_a_nonce_taken_between_the_look_and_the_commit_is_signed_again(
    on_anvil: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process on the same journal is faster at the last instant."""
    head = await on_anvil.head()
    other = later(on_anvil, journal=Journal.open(on_anvil.path))
    rival = await other.prepared(on_anvil.wish("rival"))
    ours = await on_anvil.prepared(on_anvil.wish("ours"))
    looked: list[int] = []
    look = on_anvil.journal.next_nonce

    def overtaken(account: Account) -> int:
        looked.append(look(account))
        if len(looked) == 1:
            other.journal.reserve(account, rival)
        return looked[-1]

    monkeypatch.setattr(on_anvil.journal, "next_nonce", overtaken)
    [attempt] = await on_anvil.sender.commit(ours, head)
    assert looked == [0, 1]
    assert attempt.nonce == 1
    await settle(on_anvil, effects=2)
    other.journal.close()


async def test_an_intent_that_found_a_slot_meanwhile_is_left_out(on_anvil: Office) -> None:
    head = await on_anvil.head()
    both = [on_anvil.wish("a"), on_anvil.wish("b")]
    first = await on_anvil.prepared(both[0])
    second = await on_anvil.prepared(*both)
    await on_anvil.sender.commit(first, head)
    [attempt] = await on_anvil.sender.commit(second, head)
    assert (attempt.intent.key, attempt.nonce) == ("b", 1)
    await settle(on_anvil, effects=2)


async def test_after_an_outsiders_transactions_nonces_go_on_above_them(
    on_anvil: Office,
) -> None:
    await on_anvil.turn()
    on_anvil.stranger(0)
    on_anvil.bench.mine()
    on_anvil.stranger(1)
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    assert nonces(on_anvil) == [2]
    on_anvil.bench.mine()
    assert on_anvil.hits == 3


async def test_nonces_signed_again_stay_above_an_outsiders(on_anvil: Office) -> None:
    """They came from the journal alone, which knows nothing of the outsider's."""
    for nonce in range(3):
        on_anvil.stranger(nonce)
    on_anvil.bench.mine()
    head = await on_anvil.head()
    passing = on_anvil.wish("passing", last_block=head.number + 1)
    prepared = await on_anvil.prepared(passing, on_anvil.wish("stays"))
    on_anvil.bench.mine()
    [attempt] = await on_anvil.sender.commit(prepared, await on_anvil.head())
    assert attempt.nonce == 3
    await on_anvil.sender.broadcast([attempt])
    on_anvil.bench.mine()
    assert on_anvil.hits == 4


async def test_nothing_is_committed_where_nothing_was_prepared(on_anvil: Office) -> None:
    assert await on_anvil.sender.commit([], await on_anvil.head()) == []
