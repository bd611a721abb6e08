"""Whatever goes wrong while sending means "maybe sent": the same bytes again, and one effect."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scheduler.chain.errors import RpcError
from scheduler.chain.model import Nonces
from scheduler.errors import NotYet
from scheduler.transactions.states import AttemptState
from tests.transactions.rig import Office, later

# geth's and anvil's own words, in front of a real node that would not say them now.
REFUSALS = [
    "nonce too low: next nonce 5, tx nonce 0",
    "txpool is full",
    "intrinsic gas too low",
    "something that nobody has heard of",
]


async def test_bytes_that_did_not_arrive_are_sent_again_with_the_next_head(
    on_anvil: Office,
) -> None:
    on_anvil.node.unreachable = True
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    [attempt] = on_anvil.open_attempts()
    assert attempt.state is AttemptState.SIGNED
    assert on_anvil.family.story("one") == ["Attempting"]
    on_anvil.node.unreachable = False
    await on_anvil.mine_and_turn()
    assert on_anvil.node.sent == [attempt.hash]
    await on_anvil.mine_and_turn()
    assert on_anvil.family.story("one") == ["Attempting", "Accepted", "succeeded"]
    assert on_anvil.hits == 1
    assert on_anvil.bench.nonce(on_anvil.address) == 1


async def test_an_answer_that_was_lost_makes_no_second_transaction(on_anvil: Office) -> None:
    on_anvil.node.answer_lost = True
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    [attempt] = on_anvil.open_attempts()
    assert attempt.state is AttemptState.SIGNED
    assert on_anvil.bench.nonce(on_anvil.address, "pending") == 1
    on_anvil.node.answer_lost = False
    await on_anvil.mine_and_turn(3)
    assert on_anvil.node.sent == [attempt.hash]
    assert on_anvil.hits == 1
    assert on_anvil.bench.nonce(on_anvil.address, "pending") == 1


async def test_a_restart_between_the_commit_and_the_sending_sends_the_same_bytes(
    on_anvil: Office,
) -> None:
    prepared = await on_anvil.prepared(on_anvil.wish())
    [attempt] = await on_anvil.sender.commit(prepared, await on_anvil.head())
    assert on_anvil.node.sent == []
    restarted = later(on_anvil)
    restarted.want(restarted.wish())
    await restarted.mine_and_turn()
    assert restarted.node.sent == [attempt.hash]
    await restarted.mine_and_turn()
    assert restarted.family.story("one") == ["Accepted", "succeeded"]
    assert on_anvil.hits == 1


async def test_what_the_node_has_already_counts_as_taken(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    [attempt] = on_anvil.open_attempts()
    await on_anvil.sender.broadcast([attempt])
    assert len(on_anvil.node.sent) == 2
    assert on_anvil.family.story("one") == ["Attempting", "Accepted", "Accepted"]
    on_anvil.bench.mine()
    assert on_anvil.hits == 1


@pytest.mark.parametrize("words", REFUSALS)
async def test_a_refusal_keeps_the_slot_and_is_said_once(
    on_anvil: Office, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    on_anvil.node.refusal = RpcError(-32000, words)
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.mine_and_turn(2)
    [attempt] = on_anvil.open_attempts()
    assert attempt.state is AttemptState.SIGNED
    assert set(on_anvil.node.sent) == {attempt.hash}
    assert len(on_anvil.node.sent) >= 3
    said = [record.getMessage() for record in caplog.records if record.name == "SENDER"]
    assert len(said) == 1
    assert words in said[0]
    on_anvil.node.refusal = None
    await on_anvil.mine_and_turn(2)
    assert on_anvil.hits == 1


async def test_sending_that_is_not_answered_is_said_once_and_when_it_ends(
    on_anvil: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "SENDER")
    on_anvil.node.unreachable = True
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.mine_and_turn(1)
    on_anvil.node.unreachable = False
    await on_anvil.mine_and_turn()
    levels = [record.levelname for record in caplog.records if record.name == "SENDER"]
    assert levels == ["WARNING", "INFO"]


async def test_a_wrong_hash_in_the_answer_does_not_hide_the_receipt(on_anvil: Office) -> None:
    """It was written to the journal in place of the bytes' own hash."""
    on_anvil.node.wrong_hash = "0x" + "77" * 32
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.mine_and_turn()
    assert on_anvil.family.story("one") == ["Attempting", "Accepted", "succeeded"]


async def test_a_transaction_that_the_node_forgot_is_sent_again(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    [attempt] = on_anvil.open_attempts()
    on_anvil.bench.endpoint.request("anvil_dropTransaction", attempt.hash)
    assert on_anvil.bench.nonce(on_anvil.address, "pending") == 0
    await on_anvil.mine_and_turn()
    assert on_anvil.node.sent == [attempt.hash] * 2
    await on_anvil.mine_and_turn()
    assert on_anvil.hits == 1


async def test_one_that_waits_in_the_pool_is_left_in_peace(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.turn()
    await on_anvil.turn()
    assert len(on_anvil.node.sent) == 1
    on_anvil.bench.mine()
    assert on_anvil.hits == 1


async def test_an_account_that_cannot_pay_is_trouble_as_long_as_the_node_says_so(
    on_anvil: Office,
) -> None:
    on_anvil.node.refusal = RpcError(-32000, "insufficient funds for gas * price + value")
    on_anvil.want(on_anvil.wish())
    for _ in range(2):
        with pytest.raises(NotYet, match=r"cannot pay for nonce 0.*send ether to it"):
            await on_anvil.mine_and_turn()
    on_anvil.node.refusal = None
    await on_anvil.until_mined()
    assert on_anvil.hits == 1


async def test_what_the_node_has_after_all_was_not_refused(on_anvil: Office) -> None:
    """An error was answered to bytes that had arrived."""
    on_anvil.want(on_anvil.wish())
    on_anvil.node.refusal = RpcError(-32000, "insufficient funds for gas * price + value")
    with pytest.raises(NotYet):
        await on_anvil.turn()
    on_anvil.node.refusal = None
    [attempt] = on_anvil.open_attempts()
    assert attempt.raw is not None
    on_anvil.bench.endpoint.request("eth_sendRawTransaction", "0x" + attempt.raw.hex())
    await on_anvil.turn()
    assert on_anvil.node.sent == [attempt.hash]


async def test_a_nonce_that_is_used_sends_the_program_to_the_receipts_at_once(
    on_anvil: Office,
) -> None:
    """A node that is a block behind answered first, then one that is not."""
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    on_anvil.bench.mine()
    fresh = await on_anvil.node.conditions(on_anvil.address, await on_anvil.head())
    behind(on_anvil, "conditions", lambda *_: replace(fresh, nonces=Nonces(0, 0)))
    behind(on_anvil, "receipts", lambda hashes: [None for _ in hashes])
    behind(on_anvil, "known", lambda hashes: [False for _ in hashes])
    await on_anvil.turn()
    assert on_anvil.family.story("one") == ["Attempting", "Accepted", "succeeded"]
    assert on_anvil.hits == 1


def behind(office: Office, method: str, answer: Callable[[Any], Any]) -> None:
    """The first time, this method answers so."""
    real = getattr(office.node, method)
    answers = [answer]

    async def asked(*arguments: Any) -> Any:
        return answers.pop()(*arguments) if answers else await real(*arguments)

    setattr(office.node, method, asked)
