"""What a node is asked to simulate, and what it answers (eth_simulateV1). Pure.

Measured on geth 1.16.7 and anvil 1.7.1:

- A block between the one it is built on and the one aimed at is simulated, too, empty: geth would
  give it a time 12 s after the former and refuse an earlier one for the latter.
- EIP-1559 fees are sent as the gas price that they come to at the base fee: anvil without
  validation would take base fee 0 for them. With validation geth refuses calls without fees, which
  views are.
- A call without gas gets SIMULATED_VIEW_GAS.
- geth answers one error for all calls where one could not be included at all: balance below
  gas · price + value (-38014), gas below the intrinsic (-38013), price below the base fee
  (-32602), or what the calls use and the next one's gas beyond the block's gas limit (-38015) or
  50,000,000 in total (--rpc.gascap).
"""

from collections.abc import Sequence

from scheduler.chain import codec
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import Call, CallResult, Head

SIMULATED_VIEW_GAS = 1_000_000
"""Gas of a simulated call that names none. One that fails the old way (solc before 0.4.10: an
invalid jump) burns all it has, and what it has is taken from the calls behind it."""


def simulation(
    calls: Sequence[Call], on: Head, number: int, timestamp: int, base_fee: int | None
) -> Json:
    """Asks for `calls` one after the other in block `number`, at `timestamp`, built on `on`."""
    blocks: list[Json] = []
    if number > on.number + 1:
        between = on.timestamp + max(1, (timestamp - on.timestamp) // 2)
        empty = {"number": on.number + 1, "time": between}
        blocks.append({"blockOverrides": codec.plain(empty)})
    overrides = {"number": number, "time": timestamp}
    if base_fee is not None:
        overrides["baseFeePerGas"] = base_fee
    blocks.append(
        {
            "blockOverrides": codec.plain(overrides),
            "calls": [_simulated_call(call, base_fee) for call in calls],
        }
    )
    return {"blockStateCalls": blocks, "validation": False}


def outcomes(answer: Json) -> list[CallResult]:
    """What each call did in the last of the simulated blocks. Raises as codec's readers do."""
    return [codec.simulated(outcome) for outcome in answer[-1]["calls"]]


def _simulated_call(call: Call, base_fee: int | None) -> Json:
    message = codec.call(call)
    message.setdefault("gas", hex(SIMULATED_VIEW_GAS))
    price = _price_paid(call, base_fee)
    return message if price is None else {**message, "gasPrice": hex(price)}


def _price_paid(call: Call, base_fee: int | None) -> int | None:
    """Wei per gas that the call would pay (EIP-1559: base fee + tip, at most `max_fee`)."""
    if call.max_fee is None or base_fee is None:
        return call.gas_price if call.max_fee is None else call.max_fee
    return min(call.max_fee, base_fee + (call.tip or 0))
