"""What stands at the address of a MoC contract: its generation, and the contracts around it."""

from collections.abc import Mapping, Sequence

from scheduler.chain.model import Address, Call, Hash, Head
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet
from scheduler.jobs import abi
from scheduler.jobs.contracts import functions_found
from scheduler.jobs.declaration import Action
from scheduler.moc.jobs import GENERATIONS, Contracts, Deployment, Names, Task

# What each generation has that those before it here have not.
_MARKS = (
    ("rdoc", Action("", "payRiskProHoldersInterestPayment()")),
    ("moc_base", Action("", "evalLiquidation(uint256)", (1,))),
    ("moc", Action("", "evalLiquidation()")),
)


async def deployment_at(
    chain: Chain, moc: Address, tasks: Mapping[str, Task], head: Head
) -> Deployment:
    """The deployment whose MoC contract is at `moc`, with these of its jobs.

    Raises NotYet where no MoC contract is there, NodeUnavailable.
    """
    generation = await _generation(chain, moc, head)
    at = await _contracts(chain, moc, GENERATIONS[generation], head)
    return Deployment(at, generation, tasks)


async def _generation(chain: Chain, moc: Address, head: Head) -> str:
    marks = [Action(moc, mark.signature, mark.arguments) for _, mark in _MARKS]
    found = await functions_found(chain, marks, at=head.hash)
    for (generation, _), finding in zip(_MARKS, found, strict=True):
        if finding.there:
            return generation
    raise _nothing_there(moc, head)


async def _contracts(chain: Chain, moc: Address, names: Names, head: Head) -> Contracts:
    """The MoC contract knows its connector, the connector all others, the state its oracle."""
    try:
        [connector] = await _addresses(chain, [(moc, "connector()")], head.hash)
        state, inrate, settlement = await _addresses(
            chain,
            [(connector, name) for name in ("mocState()", "mocInrate()", "mocSettlement()")],
            head.hash,
        )
        [medianizer] = await _addresses(chain, [(state, names.price_provider)], head.hash)
    except abi.NotAnAnswer as error:
        raise _nothing_there(moc, head) from error
    return Contracts(moc, state, inrate, settlement, medianizer)


async def _addresses(chain: Chain, views: Sequence[tuple[Address, str]], at: Hash) -> list[Address]:
    calls = [Call(contract, abi.call_data(signature, ())) for contract, signature in views]
    return [f"0x{abi.word(each, 0):040x}" for each in await chain.call(calls, at=at)]


def _nothing_there(moc: Address, head: Head) -> NotYet:
    return NotYet(
        f"what is at {moc} at block {head.number} is no MoC contract; correct [moc] address in "
        "the configuration, or the node's network"
    )
