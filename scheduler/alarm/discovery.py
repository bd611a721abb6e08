"""What the contracts say: which calls there are, and what they are. Every read is pinned."""

from collections.abc import Sequence

from scheduler.alarm import abi
from scheduler.alarm.calls import LONGEST_GRACE, Status, Terms
from scheduler.chain.model import ZERO_ADDRESS, Address, Call, CallResult, Hash, Head
from scheduler.chain.protocol import Chain
from scheduler.errors import NotYet


async def check_contract(chain: Chain, scheduler: Address, head: Head) -> None:
    """Raises NotYet unless `scheduler` is a Scheduler contract of v0.7 at `head`."""
    [code] = await chain.codes([scheduler], at=head.hash)
    if not code:
        raise NotYet(
            f"there is no contract at {scheduler} at block {head.number}; "
            "check --address (eth_alarm addresses lists the known ones) and the node's network"
        )
    [answer] = await chain.call([abi.api_version(scheduler)], at=head.hash)
    try:
        version = abi.integer(answer)
    except abi.NotThisContract:
        version = None
    if version != abi.API_VERSION:
        found = "none" if version is None else str(version)
        raise NotYet(
            f"the contract at {scheduler} is not an Alarm Clock scheduler of v0.7: its "
            f"callAPIVersion is {found}, not {abi.API_VERSION}; check --address"
        )


async def walk(chain: Chain, scheduler: Address, head: Head) -> list[tuple[Address, int]]:
    """All calls that can still be executed after `head`, with their targets, in that order.

    Asks the contract's own index, one round trip a call: the cost is what is open, whatever the
    history is.
    """
    found: list[tuple[Address, int]] = []
    start = max(0, head.number - LONGEST_GRACE)
    [answer] = await chain.call([abi.next_call(scheduler, start)], at=head.hash)
    call = abi.address(answer)
    while call != ZERO_ADDRESS:
        target, following = await chain.call(
            [abi.target(call), abi.next_sibling(scheduler, call)], at=head.hash
        )
        found.append((call, abi.integer(target)))
        call = abi.address(following)
    return found


async def targets(chain: Chain, calls: Sequence[Address], at: Hash) -> list[int]:
    """The target blocks of these calls."""
    answers = await chain.call([abi.target(call) for call in calls], at=at)
    return [abi.integer(answer) for answer in answers]


async def details(chain: Chain, calls: Sequence[Address], at: Hash) -> list[tuple[Terms, Status]]:
    """Terms and status of these calls, in one batch."""
    reads = [[*abi.terms_reads(call), *abi.status_reads(call)] for call in calls]
    answers = iter(await chain.call(_flat(reads), at=at))
    return [
        (
            abi.terms(call, [next(answers) for _ in abi.terms_reads(call)]),
            abi.status([next(answers) for _ in abi.status_reads(call)]),
        )
        for call in calls
    ]


async def statuses(chain: Chain, calls: Sequence[Address], at: Hash) -> list[Status]:
    """The status of these calls, in one batch."""
    answers = iter(await chain.call(_flat([abi.status_reads(call) for call in calls]), at=at))
    return [abi.status([next(answers) for _ in abi.status_reads(call)]) for call in calls]


async def known(chain: Chain, scheduler: Address, calls: Sequence[Address], at: Hash) -> list[bool]:
    """Whether `scheduler` says of each that it made it, in one batch; no answer is no."""
    answers = await chain.call([abi.is_known_call(scheduler, call) for call in calls], at=at)
    return [_says_yes(answer) for answer in answers]


def _says_yes(answer: CallResult) -> bool:
    try:
        return abi.truth(answer)
    except abi.NotThisContract:
        return False


def _flat(groups: Sequence[Sequence[Call]]) -> list[Call]:
    return [call for group in groups for call in group]
