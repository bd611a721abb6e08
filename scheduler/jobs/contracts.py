"""Whether contracts have the functions that jobs call: in their code, or behind their proxies.

The code of a contract that solc compiled compares the first four bytes of its input with each
function's selector, so the selector is in it. A proxy's is not: it is in the code to which the
proxy delegates, and where that is stands in a slot of its storage.
"""

from collections.abc import Sequence

from eth_utils.crypto import keccak

from scheduler.chain.model import Address, Call, Hash
from scheduler.chain.protocol import Chain
from scheduler.jobs.declaration import Action

IMPLEMENTATION_SLOTS = (
    # EIP-1967
    int.from_bytes(keccak(text="eip1967.proxy.implementation"), "big") - 1,
    # the proxies of ZeppelinOS before it (AdminUpgradeabilityProxy of 2018 and 2019)
    int.from_bytes(keccak(text="org.zeppelinos.proxy.implementation"), "big"),
)


_NOBODY_S_FUNCTION = keccak(text="a function that no contract has")[:4]


async def implementations(
    chain: Chain, contracts: Sequence[Address], at: Hash
) -> dict[Address, Address]:
    """To which contracts those of these that are proxies of a known kind delegate."""
    slots = [(contract, slot) for contract in contracts for slot in IMPLEMENTATION_SLOTS]
    words = await chain.storage(slots, at=at) if slots else []
    found: dict[Address, Address] = {}
    for (contract, _), word in zip(slots, words, strict=True):
        if any(word):
            found.setdefault(contract, "0x" + word[-20:].hex())
    return found


async def functions_found(chain: Chain, actions: Sequence[Action], at: Hash) -> list[str | None]:
    """For each, what shows at block `at` that its contract has the function; None for nothing.

    Proxies of an unknown kind are probed: what accepts the call, and not just any, has it. Four
    batches of reads at most, whatever the number. Raises NodeUnavailable.
    """
    contracts = list(dict.fromkeys(action.contract for action in actions))
    codes = dict(zip(contracts, await chain.codes(contracts, at=at), strict=True))
    behind = {
        contract: logic
        for contract, logic in (await implementations(chain, contracts, at)).items()
        if codes[contract]
    }
    logics = list(dict.fromkeys(behind.values()))
    codes |= dict(zip(logics, await chain.codes(logics, at=at), strict=True)) if logics else {}
    found: list[str | None] = []
    unknown: list[int] = []
    for number, action in enumerate(actions):
        logic = behind.get(action.contract)
        if _has(codes[action.contract], action):
            found.append(f"{action.contract} has {action.signature} in its code")
        elif logic is not None and _has(codes[logic], action):
            found.append(f"{logic}, behind {action.contract}, has {action.signature} in its code")
        else:
            found.append(None)
            if codes[action.contract] and logic is None:
                unknown.append(number)
    return await _probed(chain, actions, found, unknown, at)


async def _probed(
    chain: Chain,
    actions: Sequence[Action],
    found: list[str | None],
    unknown: Sequence[int],
    at: Hash,
) -> list[str | None]:
    """`found`, with what contracts accept when they are called, where nothing else is known.

    One that accepts a function that nobody has, as those with a fallback do, shows nothing.
    """
    calls: list[Call] = []
    for number in unknown:
        contract = actions[number].contract
        calls += [Call(contract, actions[number].data), Call(contract, _NOBODY_S_FUNCTION)]
    answers = iter(await chain.call(calls, at=at) if calls else [])
    for number in unknown:
        accepted, anything = next(answers).ok, next(answers).ok
        if accepted and not anything:
            action = actions[number]
            found[number] = f"{action.contract} accepts {action.signature}"
    return found


def _has(code: bytes, action: Action) -> bool:
    # solc pushes a selector that begins with zeros without them.
    return action.data[:4].lstrip(b"\0") in code
