"""What a node says of a plan's jobs at one block: nothing is sent, and no journal is needed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.chain.model import Address, Conditions, Head
from scheduler.chain.node import JsonRpcNode
from scheduler.jobs.board import Board, Standing
from scheduler.jobs.contracts import Finding
from scheduler.jobs.declaration import Job
from scheduler.jobs.family import JobFamily
from scheduler.operations.keyfiles import address_in
from scheduler.plan import Plan
from scheduler.reach import Reach, Reached, account_of
from scheduler.roster import Roster, roster_of
from scheduler.transactions.appraisal import weighed
from scheduler.transactions.encoding import Fee
from scheduler.transactions.fees import FeePolicy, FeeTooHigh, first_price
from scheduler.transactions.intents import Verdict
from scheduler.transactions.simulation import Aim, Trial, simulated


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the action would do in the next block, behind nothing else.

    `gas` is the limit that it would be sent with, `cost` the most that it may take from the account
    in wei. `verdict` and `gas_used` are None where the account cannot pay that.
    """

    gas: int
    cost: int
    verdict: Verdict | None = None
    gas_used: int | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A job at a block. `standing` is None where its contract lacks the function, and `rehearsal`
    where nobody knows what it would be called with, since that comes with its condition."""

    job: Job
    finding: Finding
    standing: Standing | None = None
    rehearsal: Rehearsal | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """Jobs at the block `head`, and who would send. `balance` in wei.

    `too_dear` is why nothing is sent at the price of this block, None where that is no reason.
    """

    head: Head
    network: str
    account: Address
    balance: int
    too_dear: str | None
    jobs: Sequence[Seen]

    @property
    def by_name(self) -> Mapping[str, Seen]:
        return {seen.job.name: seen for seen in self.jobs}


async def look(plan: Plan) -> tuple[str, Head, Roster]:
    """Where the node is, its latest block, and the jobs there.

    Raises NotYet, NodeUnavailable, RpcError, Misconfigured.
    """
    reached = await Reach(plan).node()
    try:
        roster = await roster_of(plan, reached.node, reached.head)
        return reached.node.endpoint, reached.head, roster
    finally:
        await reached.node.close()


async def survey(plan: Plan, names: Collection[str] = ()) -> Survey:
    """The jobs with these names, or all, as they are now.

    Raises NotYet where the node does not serve the plan's chain or has no account for it,
    NodeUnavailable, RpcError, Misconfigured.
    """
    reached = await Reach(plan).node()
    try:
        return await _surveyed(plan, reached, names)
    finally:
        await reached.node.close()


async def _surveyed(plan: Plan, reached: Reached, names: Collection[str]) -> Survey:
    node, head = reached.node, reached.head
    roster = await roster_of(plan, node, head)
    account = await _account(plan, node)
    conditions = await node.conditions(account, head)
    fee, too_dear = _price(plan, head, conditions)
    wanted = [
        Seen(job, finding)
        for job, finding in zip(roster.jobs, roster.findings, strict=True)
        if not names or job.name in names
    ]
    board = Board(node, [seen.job for seen in wanted if seen.finding.there is not False])
    await board.read(head)
    jobs = []
    for seen in wanted:
        standing = None if seen.finding.there is False else board.standing(seen.job, head)
        if standing is None:
            jobs.append(seen)
            continue
        family = JobFamily(node, board, "", seen.job, account)
        aim = Aim(account, head, slot_time=reached.network.slot_time)
        rehearsal = await _rehearsed(node, family, standing, fee, aim, conditions.balance)
        jobs.append(Seen(seen.job, seen.finding, standing, rehearsal))
    return Survey(head, reached.network.name, account, conditions.balance, too_dear, jobs)


async def _rehearsed(
    node: JsonRpcNode, family: JobFamily, standing: Standing, fee: Fee, aim: Aim, balance: int
) -> Rehearsal | None:
    job, data = family.job, standing.data
    if data is None and any(job.action.readings()):
        return None
    data = job.action.sample if data is None else data
    gas = await family.limit(data)
    trial = Trial(family.intent(data, gas, standing.epoch, aim.head), fee)
    if trial.worst_cost > balance:
        return Rehearsal(gas, trial.worst_cost)
    [effects] = await simulated(node, [trial], aim)
    verdict = weighed(family, trial, effects).decided.verdict
    return Rehearsal(gas, trial.worst_cost, verdict, effects.gas_used)


def _price(plan: Plan, head: Head, conditions: Conditions) -> tuple[Fee, str | None]:
    """What a transaction would begin with, and why it would not, if it is too much."""
    policy = FeePolicy(plan.max_gas_price, plan.min_tip)
    try:
        return first_price(head, conditions.suggested, policy), None
    except FeeTooHigh as error:
        return first_price(head, conditions.suggested, FeePolicy(None, plan.min_tip)), str(error)


async def _account(plan: Plan, node: JsonRpcNode) -> Address:
    """Who would send. No key file is opened: it says of itself whose it is."""
    if plan.key is not None:
        return PrivateKey(bytes.fromhex(plan.key)).public_key.to_address()
    if plan.key_file is not None:
        return address_in(Path(plan.key_file))
    return await account_of(plan, node)
