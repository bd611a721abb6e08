"""What transactions would do, as far as it can be told on nodes that cannot simulate (rskj).

An `eth_call` runs in the block that is there, not in the one aimed at, and answers no logs: it
tells only that the transaction is not reverted. On rskj it does not even tell of other failures
(EthModule.call answers 0x to them). What decides are the views that the intent brings along.
"""

from collections.abc import Sequence

from scheduler.chain.model import Address, Call, Hash, Head
from scheduler.chain.protocol import Chain
from scheduler.transactions.expectations import unmet
from scheduler.transactions.intents import Effects, Intent

# What a transaction needs before its first instruction: for itself, and for each byte of data that
# is zero or not (Yellow Paper, appendix G; EIP-2028, RSKIP-400).
TRANSACTION_GAS, ZERO_BYTE_GAS, BYTE_GAS = 21_000, 4, 16


async def foreseen(
    chain: Chain, priced: Sequence[tuple[Intent, int]], sender: Address, head: Head
) -> list[Effects]:
    """What each would do on its own when `sender` sends it, read on the state of `head`.

    Beside each is what its gas would cost, wei per gas. All the gas counts as used: how much really
    is, nobody knows. Raises NodeUnavailable, RpcError.
    """
    calls: list[Call] = []
    for intent, price in priced:
        calls.append(_action(intent, sender, price))
        calls += [view.call() for view in intent.expects.before]
    answers = iter(await chain.call(calls, at=head.hash))
    refunds = await _refunds(chain, priced, head.hash)
    found = []
    for (intent, _), refund in zip(priced, refunds, strict=True):
        action, views = next(answers), [next(answers) for _ in intent.expects.before]
        error = _impossible(intent, head) if action.ok else action.error or "it fails"
        found.append(
            Effects(
                ok=error is None,
                logs=(),
                gas_used=intent.gas,
                error=error,
                unmet=unmet(intent.expects.before, views),
                foreseen=True,
                refund=refund,
            )
        )
    return found


def _impossible(intent: Intent, head: Head) -> str | None:
    """Why no block could include it; rskj's `eth_call` does not mind."""
    nonzero = sum(map(bool, intent.data))
    least = TRANSACTION_GAS + BYTE_GAS * nonzero + ZERO_BYTE_GAS * (len(intent.data) - nonzero)
    if intent.gas < least:
        return f"less gas than any transaction with this data needs: {least}"
    if intent.gas > head.gas_limit:
        return f"more gas than a block has: {head.gas_limit}"
    return None


async def _refunds(chain: Chain, priced: Sequence[tuple[Intent, int]], at: Hash) -> list[int]:
    """How much of its gas, in wei, each can be paid back; no more than all of it."""
    promised = [intent.expects.refund for intent, _ in priced]
    balances = iter(await chain.balances([refund.payer for refund in promised if refund], at=at))
    return [
        max(0, min(next(balances) - refund.reserved, intent.gas * price)) if refund else 0
        for (intent, price), refund in zip(priced, promised, strict=True)
    ]


def _action(intent: Intent, sender: Address, price: int) -> Call:
    return Call(intent.to, intent.data, sender, intent.value, intent.gas, gas_price=price)
