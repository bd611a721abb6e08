"""What transactions would do, as far as it can be told on nodes that cannot simulate (rskj).

An `eth_call` runs in the block that is there, not in the one aimed at, and answers no logs: it
tells only that the transaction is not reverted. On rskj it does not even tell of other failures
(EthModule.call answers 0x to them). What decides are the views that the intent brings along.
"""

from collections.abc import Sequence

from scheduler.chain.model import Address, Call, CallResult, Hash
from scheduler.chain.protocol import Chain
from scheduler.transactions.expectations import unmet
from scheduler.transactions.intents import Effects, Intent


async def foreseen(
    chain: Chain, intents: Sequence[Intent], sender: Address, price: int, at: Hash
) -> list[Effects]:
    """What each would do on its own when `sender` sends it, read on the state of block `at`.

    `price` is what the gas would cost, wei per gas. All the gas counts as used: how much really
    is, nobody knows. Raises NodeUnavailable, RpcError.
    """
    calls: list[Call] = []
    for intent in intents:
        calls.append(_action(intent, sender, price))
        calls += [view.call() for view in intent.expects.before]
    answers = iter(await chain.call(calls, at=at))
    refunds = await _refunds(chain, intents, price, at)
    return [
        _effects(intent, next(answers), [next(answers) for _ in intent.expects.before], refund)
        for intent, refund in zip(intents, refunds, strict=True)
    ]


async def _refunds(chain: Chain, intents: Sequence[Intent], price: int, at: Hash) -> list[int]:
    """How much of its gas, in wei, each can be paid back; no more than all of it."""
    promised = [intent.expects.refund for intent in intents]
    balances = iter(await chain.balances([refund.payer for refund in promised if refund], at=at))
    return [
        max(0, min(next(balances) - refund.reserved, intent.gas * price)) if refund else 0
        for intent, refund in zip(intents, promised, strict=True)
    ]


def _action(intent: Intent, sender: Address, price: int) -> Call:
    return Call(intent.to, intent.data, sender, intent.value, intent.gas, gas_price=price)


def _effects(
    intent: Intent, action: CallResult, views: Sequence[CallResult], refund: int
) -> Effects:
    return Effects(
        action.ok,
        logs=(),
        gas_used=intent.gas,
        error=action.error,
        unmet=unmet(intent.expects.before, views),
        foreseen=True,
        refund=refund,
    )
