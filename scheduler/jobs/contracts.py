"""Whether contracts have the functions that jobs call: in their code, or behind their proxies.

The code of a contract that solc compiled compares the first four bytes of its input with each
function's selector, so the selector is in it. A proxy's is not: it is in the code to which the
proxy delegates, and where that is stands in a slot of its storage.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from scheduler.chain.model import Address, Call, CallResult, Hash
from scheduler.chain.protocol import Chain
from scheduler.jobs.declaration import Action

IMPLEMENTATION_SLOTS = (
    # EIP-1967
    int.from_bytes(keccak(text="eip1967.proxy.implementation"), "big") - 1,
    # the proxies of ZeppelinOS before it (AdminUpgradeabilityProxy of 2018 and 2019)
    int.from_bytes(keccak(text="org.zeppelinos.proxy.implementation"), "big"),
)

_NOBODY_S_FUNCTION = keccak(text="a function that no contract has")[:4]

# Yellow Paper, appendix H.
_PUSH1, _PUSH32, _DELEGATECALL = 0x60, 0x7F, 0xF4


@dataclass(frozen=True, slots=True)
class Finding:
    """What shows at a block whether a contract has a function.

    `there`: it has, or has not; None where nobody can tell, since it may delegate to whatever.
    `where` is the contract whose code says so, None where only a call could tell. `says` is all of
    that in words.
    """

    there: bool | None
    where: Address | None
    says: str

    @property
    def is_lasting(self) -> bool:
        """Whether it stays so until the code is another."""
        return self.where is not None


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


async def functions_found(chain: Chain, actions: Sequence[Action], at: Hash) -> list[Finding]:
    """For each, whether its contract has the function, at block `at`.

    Proxies of an unknown kind are probed: what answers the call otherwise than one that nobody has,
    has it. Four batches of reads at most, whatever the number. Raises NodeUnavailable.
    """
    if not actions:
        return []
    contracts = list(dict.fromkeys(action.contract for action in actions))
    codes = dict(zip(contracts, await chain.codes(contracts, at=at), strict=True))
    behind = {
        contract: logic
        for contract, logic in (await implementations(chain, contracts, at)).items()
        if codes[contract]
    }
    logics = list(dict.fromkeys(behind.values()))
    codes |= dict(zip(logics, await chain.codes(logics, at=at), strict=True)) if logics else {}
    found = [_in_code(action, codes, behind) for action in actions]
    unknown = [number for number, finding in enumerate(found) if finding.there is None]
    calls: list[Call] = []
    for number in unknown:
        contract = actions[number].contract
        calls += [Call(contract, actions[number].sample), Call(contract, _NOBODY_S_FUNCTION)]
    answers = iter(await chain.call(calls, at=at) if calls else [])
    for number in unknown:
        found[number] = _probed(actions[number], next(answers), next(answers))
    return found


def _in_code(
    action: Action, codes: dict[Address, bytes], behind: dict[Address, Address]
) -> Finding:
    contract, name = action.contract, action.signature
    if not codes[contract]:
        return Finding(False, contract, f"there is no contract at {contract}")
    if _has(codes[contract], action):
        return Finding(True, contract, f"{contract} has {name} in its code")
    logic = behind.get(contract)
    if logic is not None:
        has = _has(codes[logic], action)
        says = f"{logic}, behind {contract}, has {'' if has else 'no '}{name} in its code"
        return Finding(has, logic, says)
    if _may_delegate(codes[contract]):
        return Finding(None, None, f"{contract} may be a proxy")
    return Finding(False, contract, f"{contract} has no {name} in its code")


def _probed(action: Action, answer: CallResult, anything: CallResult) -> Finding:
    """What an unknown proxy's answers show, to the function and to one that nobody has.

    Who accepts the latter, as those with a fallback do, shows nothing by accepting the other. A
    refusal with words of its own is the function's.
    """
    contract, name = action.contract, action.signature
    if answer.ok and not anything.ok:
        return Finding(True, None, f"{contract} accepts {name}")
    if not answer.ok and answer.data and answer.data != anything.data:
        return Finding(True, None, f"{contract} refuses {name} in words of its own")
    return Finding(
        None, None, f"{contract} is a proxy of an unknown kind, and does not accept {name} now"
    )


def _has(code: bytes, action: Action) -> bool:
    # solc pushes a selector that begins with zeros without them.
    return action.selector.lstrip(b"\0") in code


def _may_delegate(code: bytes) -> bool:
    """Whether there is a DELEGATECALL among its instructions."""
    position = 0
    while position < len(code):
        instruction = code[position]
        if instruction == _DELEGATECALL:
            return True
        if _PUSH1 <= instruction <= _PUSH32:
            position += instruction - _PUSH1 + 1
        position += 1
    return False
