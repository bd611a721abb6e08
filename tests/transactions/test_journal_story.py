"""What `scheduler journal show` tells, of journals that the real Journal and real runs wrote."""

import re
from collections.abc import Iterator

import pytest

from scheduler.operations.journal_story import OUTCOMES, outlook, steps, told
from scheduler.transactions.intents import Urgency, Verdict
from scheduler.transactions.journal import Journal, Location, Replacement
from scheduler.transactions.journal.orders import What
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.journal.records import History
from scheduler.transactions.states import OutcomeKind, Purpose
from tests.transactions.rig import HIT, Office
from tests.transactions.samples import ACCOUNT, DONE, intent, prepared, receipt

KEY = "a"


class Desk:
    """A journal with one intent in the slot 0, and the time at which things are written."""

    def __init__(self, path: Location) -> None:
        self._path = path
        self.now = 1_000.0
        self.journal = Journal.open(path, clock=lambda: self.now)
        self.journal.admit(ACCOUNT)
        wish = intent(KEY, max_cost=2 * 10**16, urgency=Urgency.URGENT)
        [self.attempt] = self.journal.reserve(ACCOUNT, [prepared(0, wish)])

    def replace(self, purpose: Purpose) -> None:
        """Puts another transaction into the slot."""
        self.now += 60
        again = prepared(0, intent("other" if purpose is Purpose.CANCEL else "again", gas=60_000))
        [self.attempt], _ = self.journal.replace(
            ACCOUNT,
            [Replacement(self.attempt, purpose, again.transaction, again.signed, head_number=6)],
        )

    def mined(self, verdict: Verdict = DONE) -> None:
        self.now += 15
        self.journal.mined(self.attempt, receipt(self.attempt), verdict)

    def final(self) -> None:
        self.now += 60
        self.journal.final(ACCOUNT, self.attempt)

    def fail(self) -> None:
        """Has it fail in the block 5, finally, in the next slot unless it has one."""
        if not self.journal.open_attempts(ACCOUNT):
            nonce = self.journal.next_nonce(ACCOUNT)
            [self.attempt] = self.journal.reserve(ACCOUNT, [prepared(nonce, intent(KEY))])
        self.mined(Verdict(OutcomeKind.NO_EFFECT, "nothing happened"))
        self.journal.final(ACCOUNT, self.attempt, retries=lambda _: True)

    @property
    def history(self) -> History:
        with reading(self._path) as journal:
            return journal.history(KEY)

    @property
    def story(self) -> str:
        return "\n".join(told(self.history))


@pytest.fixture
def desk(place: Location) -> Iterator[Desk]:
    desk = Desk(place)
    yield desk
    desk.journal.close()


def test_the_head_says_what_was_wanted(desk: Desk) -> None:
    headings = dict(
        line.strip().split(maxsplit=1) for line in desk.story.splitlines() if line[:2] == "  "
    )
    assert headings["key"] == KEY
    assert headings["what"] == "number 7, subject a"
    assert headings["call"].endswith("with 0 ether and 2 bytes of data")
    assert headings["gas"] == "at most 50,000"
    assert headings["window"] == "blocks 1 to 100"
    assert headings["urgency"].startswith("urgent: ")
    assert "may cost  at most 0.02 ether more than it earns" in desk.story


def test_what_was_signed_is_told_with_its_price_and_what_comes_next(desk: Desk) -> None:
    assert desk.story.startswith("touch: in_slot\n")
    assert (
        "A transaction for slot 0: signed after block 4, at most 0.000000009 gwei per gas, "
        "0.000000001 gwei of it as a tip; no more than 0.00000000000045 ether for gas."
        in desk.story
    )
    assert f"Its hash is {desk.attempt.hash}." in desk.story
    assert outlook(desk.history).startswith("The same bytes are sent again")


def test_what_a_node_took_waits_for_its_block(desk: Desk) -> None:
    assert desk.attempt.hash is not None
    desk.journal.broadcast([(desk.attempt, desk.attempt.hash)])
    assert "A node took it; it is in no block." in desk.story
    assert outlook(desk.history).startswith("It waits for its block")


def test_an_outcome_has_its_gas_its_price_its_cost_and_what_it_earned(desk: Desk) -> None:
    desk.mined(Verdict(OutcomeKind.SUCCEEDED, "hit", earned=5 * 10**24))
    assert desk.story.startswith("touch: succeeded\n")
    assert "Outcome in block 5: succeeded, it did what it was for (hit)." in desk.story
    assert (
        "It used 21,000 gas at 100,000,000,000 gwei: cost 2,100,000 ether, earned 5,000,000 ether, "
        "gained 2,900,000 ether." in desk.story
    )
    assert "This is not final yet." in desk.story
    assert outlook(desk.history).startswith("Its block is not final yet")


def test_a_reorg_is_told_with_what_it_took_back_also_when_it_is_mined_again(desk: Desk) -> None:
    desk.mined()
    desk.now += 15
    desk.journal.unmined(desk.attempt)
    desk.mined(Verdict(OutcomeKind.NO_EFFECT, "too late"))
    told_of_it = desk.story.index(
        "A reorg removed block 5, in which the transaction of slot 0 was: succeeded does not hold"
    )
    assert told_of_it < desk.story.index("Outcome in block 5: no_effect")


def test_a_reorg_of_what_was_final_is_told_too(desk: Desk) -> None:
    desk.mined()
    desk.final()
    desk.journal.reopen(ACCOUNT, [0])
    assert "A reorg removed block 5, in which the transaction of slot 0 was" in desk.story
    assert desk.story.startswith("touch: in_slot\n")


def test_an_order_is_told_with_who_gave_it_and_its_answer(desk: Desk) -> None:
    desk.now += 5
    desk.journal.orders.give(KEY, What.BUMP, "ann")
    assert "ann ordered: bump, a next bid for its slot at once." in desk.story
    assert outlook(desk.history).startswith("The order to bump it is carried out next.")
    desk.mined()
    desk.final()
    assert "The order to bump it was refused: its nonce was consumed by" in desk.story


def test_when_its_block_is_final_nothing_is_open(desk: Desk) -> None:
    desk.mined()
    desk.final()
    assert "It is in block 5, finally." in desk.story
    assert f"It was consumed by {desk.attempt.hash}, finally." in desk.story
    assert "not final" not in desk.story
    assert desk.story.endswith("Next: Nothing is open: this is final.")


def test_a_reorg_takes_back_what_was_told(desk: Desk) -> None:
    desk.mined()
    desk.journal.unmined(desk.attempt)
    assert "Outcome" not in desk.story
    assert outlook(desk.history).startswith("It waits for its block")


def test_after_a_failure_the_next_try_is_told(desk: Desk) -> None:
    desk.fail()
    assert outlook(desk.history).startswith("It failed 1 time: it is sent again from block 21 on")
    desk.fail()
    assert outlook(desk.history).startswith("It failed 2 times: it is sent again from block 69 on")


def test_what_is_suspended_names_the_command_and_counts_anew_after_it(desk: Desk) -> None:
    for _ in range(3):
        desk.fail()
    assert outlook(desk.history).endswith(f"until you say so: scheduler journal retry {KEY}")
    desk.journal.orders.give(KEY, What.RETRY, "the operator")
    assert outlook(desk.history).startswith("It is in no slot: it is sent when it is due")
    desk.fail()
    assert outlook(desk.history).startswith("It failed 1 time: ")


def test_a_replacement_is_told_as_one_and_what_it_replaced_can_never_be_mined(desk: Desk) -> None:
    desk.replace(Purpose.ACT)
    assert "The same at another price for slot 0: signed after block 6" in desk.story
    desk.mined()
    desk.final()
    assert "It can never be mined: another transaction used its nonce." in desk.story


def test_a_cancellation_ends_when_its_block_is_final(desk: Desk) -> None:
    desk.replace(Purpose.CANCEL)
    assert "A cancellation of slot 0, a transfer of nothing to oneself" in desk.story
    assert outlook(desk.history).startswith("It is being cancelled")
    desk.mined(Verdict(OutcomeKind.EXPIRED, "its window passed"))
    assert outlook(desk.history).startswith("Its cancellation is in a block")
    desk.final()
    assert desk.story.startswith("touch: expired\n")
    assert "expired, cancelled, since its window passed" in desk.story
    assert desk.story.endswith("Nothing is open: this is final.")


def test_a_slot_that_somebody_else_used_is_told(desk: Desk) -> None:
    desk.journal.displaced(ACCOUNT, desk.attempt, "0x" + "e" * 64, 5, "0x" + "b" * 64)
    assert f"It was consumed by 0x{'e' * 64}, finally." in desk.story
    assert outlook(desk.history).startswith("It is in no slot: it is sent when it is due, up to")


def test_a_request_to_the_node_has_no_hash_until_it_is_known(place: Location) -> None:
    journal = Journal.open(place)
    journal.admit(ACCOUNT)
    journal.reserve(ACCOUNT, [prepared(0, intent(KEY), signs=False)])
    journal.close()
    with reading(place) as opened:
        story = "\n".join(told(opened.history(KEY)))
    assert "the node was asked to sign and send it after block 4" in story
    assert "Its hash is not known yet." in story


def test_things_are_told_in_the_order_in_which_they_happened(desk: Desk) -> None:
    desk.replace(Purpose.ACT)
    desk.mined()
    desk.final()
    found = steps(desk.history)
    assert [step.at for step in found] == [1_000, 1_000, 1_000, 1_060, 1_075]
    beginnings = ["It was written", "It was given a slot", "A transaction", "The same", "Outcome"]
    for step, beginning in zip(found, beginnings, strict=True):
        assert step.lines[0].startswith(beginning)


def test_what_contracts_say_cannot_steer_the_terminal(desk: Desk) -> None:
    desk.mined(Verdict(OutcomeKind.REVERTED, "\x1b]0;owned\x07\nNext: send me ether"))
    assert r"(\x1b]0;owned\x07\nNext: send me ether)" in desk.story


def test_every_outcome_has_its_words() -> None:
    assert set(OUTCOMES) == set(OutcomeKind)


async def test_a_real_run_is_told_from_the_wish_to_the_final_block(on_anvil: Office) -> None:
    on_anvil.want(on_anvil.wish())
    await on_anvil.turn()
    await on_anvil.until_mined()
    await on_anvil.mine_and_turn(3)
    with reading(on_anvil.path) as journal:
        history = journal.history("one")
    story = "\n".join(told(history))
    [attempt] = history.attempts
    assert attempt.outcome is not None
    receipt = on_anvil.bench.endpoint.request("eth_getTransactionReceipt", attempt.hash)
    assert f"Its hash is {receipt['transactionHash']}." in story
    assert f"Outcome in block {int(receipt['blockNumber'], 16)}: succeeded, " in story
    assert f"It used {int(receipt['gasUsed'], 16):,} gas at " in story
    price = int(receipt["effectiveGasPrice"], 16)
    assert attempt.outcome.cost == int(receipt["gasUsed"], 16) * price
    assert f"nonce 0 of {on_anvil.address}" in story
    assert f"function 0x{HIT.hex()}" in story
    assert story.endswith("Next: Nothing is open: this is final.")
    assert re.search(r"spent 0\.0\d+ ether", story)
