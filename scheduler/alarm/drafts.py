"""The intents of the alarm clock: what may be sent to a call, and within which limits. Pure."""

from dataclasses import dataclass

from scheduler.alarm import abi
from scheduler.alarm.calls import Moment, Status, Terms, Unit, first_turn, last_block, last_block_by
from scheduler.alarm.claiming import Policy
from scheduler.alarm.version import Escrow, Version
from scheduler.chain.model import Address, Head
from scheduler.transactions.intents import Intent, Urgency
from scheduler.transactions.states import OutcomeKind

NAME = "alarm"
EXECUTE, CLAIM, CLEANUP = "execute", "claim", "cleanup"

_DATA = {EXECUTE: abi.EXECUTE, CLAIM: abi.CLAIM, CLEANUP: abi.CANCEL}

# For how long, by the call's unit, a clean-up that is not mined is bid for.
_CLEANED_UP_WITHIN = {Unit.BLOCKS: 20, Unit.SECONDS: 300}


@dataclass(frozen=True, slots=True)
class Drafts:
    """What `account` may send to the calls of one contract, on the chain named `fingerprint`.

    `slot_time` is the least time between two blocks' timestamps, in seconds.
    """

    version: Version
    fingerprint: str
    account: Address
    slot_time: int

    def key(self, kind: str, terms: Terms) -> str:
        """The same for what is done to a call, however often it is asked for."""
        return ":".join((NAME, kind, self.fingerprint, self.version.contract, terms.subject()))

    def execution(self, terms: Terms, status: Status, head: Head, blocks_ahead: int = 1) -> Intent:
        """To execute the call in the block so many after `head`."""
        aim = Moment.after(head, self.slot_time, blocks_ahead)
        action = self.version.execution(terms, status, self.account, aim, head.gas_limit)
        first = first_turn(terms, status, self.account)
        ours = status.claimer == self.account and not terms.claim.comes_back
        return Intent(
            key=self.key(EXECUTE, terms),
            family=NAME,
            kind=EXECUTE,
            chain=self.fingerprint,
            contract=self.version.contract,
            params={
                **_params(terms),
                "last": terms.last,
                # What of its payment is the deposit of our claim.
                **({"deposit": terms.claim.deposit} if ours else {}),
            },
            to=terms.call,
            data=action.data,
            gas=action.gas,
            first_block=first if terms.unit is Unit.BLOCKS else aim.block,
            last_block=last_block(terms, head, self.slot_time),
            urgency=Urgency.URGENT,
            min_price=terms.price,
            # Nothing: the call pays for its execution, or it is not executed.
            max_cost=0,
            # A target that fails is executed all the same: the executor is paid for it.
            worth_sending=frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.TARGET_FAILED}),
            expects=action.expects,
            contested=True,
        )

    def claim(
        self, terms: Terms, status: Status, head: Head, policy: Policy, most_for_gas: int
    ) -> Intent:
        """To claim the call in the block after `head`, if its gas costs no more than so much."""
        action = self.version.claim(terms, status, self.account)
        claim, last = terms.claim, policy.last(terms.claim, terms.unit)
        following = Moment.after(head, self.slot_time)
        return Intent(
            key=self.key(CLAIM, terms),
            family=NAME,
            kind=CLAIM,
            chain=self.fingerprint,
            contract=self.version.contract,
            params={
                **_params(terms),
                "last": last,
                "deposit": claim.deposit,
                "ends": terms.last,
            },
            to=terms.call,
            data=action.data,
            gas=action.gas,
            first_block=claim.first if terms.unit is Unit.BLOCKS else following.block,
            last_block=last_block_by(terms.unit, last, head, self.slot_time),
            value=claim.deposit,
            # A deposit that comes back with the claim is among what that earns.
            max_cost=most_for_gas - (claim.deposit if claim.comes_back else 0),
            expects=action.expects,
        )

    def cleanup(self, escrow: Escrow, terms: Terms, status: Status, head: Head) -> Intent:
        """To cancel the call, whose window is over, in the block after `head`."""
        action = escrow.cleanup(terms, status)
        following = Moment.after(head, self.slot_time)
        last = following.of(terms.unit) + _CLEANED_UP_WITHIN[terms.unit]
        ours = status.claimer == self.account
        return Intent(
            key=self.key(CLEANUP, terms),
            family=NAME,
            kind=CLEANUP,
            chain=self.fingerprint,
            contract=self.version.contract,
            params={
                **_params(terms),
                "last": last,
                "reward": escrow.reward(terms),
                "deposit": escrow.deposit_in(status) if ours else 0,
            },
            to=terms.call,
            data=action.data,
            gas=action.gas,
            first_block=following.block,
            last_block=last_block_by(terms.unit, last, head, self.slot_time),
            # Only if it pays more than it costs.
            max_cost=-1,
            expects=action.expects,
        )


def is_for_its_call(intent: Intent) -> bool:
    """Whether the transaction does what the intent says to the call that the intent is about."""
    value = intent.params["deposit"] if intent.kind == CLAIM else 0
    return (
        intent.data == _DATA.get(intent.kind)
        and intent.params["call"] == intent.to
        and intent.value == value
    )


def _params(terms: Terms) -> dict[str, str | int]:
    return {"call": terms.call, "unit": terms.unit.value, "target": terms.target}
