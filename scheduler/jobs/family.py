"""A job as a family: reads its condition, says when its action is due."""

from collections.abc import Sequence

from scheduler.agenda import Appointment
from scheduler.chain.model import Address, Call, Head, HeadEvent
from scheduler.chain.protocol import Chain
from scheduler.health import Vitals
from scheduler.jobs.board import Board, Standing
from scheduler.jobs.conditions import necessary_views
from scheduler.jobs.contracts import functions_found
from scheduler.jobs.declaration import Job
from scheduler.jobs.outcomes import judge
from scheduler.jobs.rhythm import MOST_STEPS, Rhythm
from scheduler.jobs.story import Story
from scheduler.transactions.expectations import Expectations
from scheduler.transactions.intents import (
    ANY_COST,
    NO_LAST_BLOCK,
    Effects,
    Intent,
    Mined,
    Order,
    Params,
    Progress,
    Recorded,
    Told,
    Unmined,
    Verdict,
)
from scheduler.transactions.journal import Journal
from scheduler.transactions.rules import Rule
from scheduler.transactions.states import IntentState, OutcomeKind

NAME = "jobs"

# Wei per gas that a job's transaction may cost at most where it says nothing of its costs: far
# above what any network has asked, and far below what a mistake of a unit would make of it.
HIGHEST_PRICE = 2_000 * 10**9


def rule_of(job: Job) -> Rule:
    """What may be signed for a job: this function of this contract, with no ether."""
    cost = job.gas * HIGHEST_PRICE if job.max_cost is None else job.max_cost
    return Rule(
        f"{NAME}/{job.name}", job.action.selector, 0, cost, frozenset({job.action.contract})
    )


def families_of(
    chain: Chain, fingerprint: str, jobs: Sequence[Job], account: Address | None = None
) -> list["JobFamily"]:
    """The jobs of one process, which read their conditions together; `account` is who sends."""
    board = Board(chain, jobs)
    return [JobFamily(chain, board, fingerprint, job, account) for job in jobs]


class JobFamily:
    """One job. Those of a process share a board, and with it one round trip for each head."""

    def __init__(
        self,
        chain: Chain,
        board: Board,
        fingerprint: str,
        job: Job,
        account: Address | None = None,
    ) -> None:
        """`fingerprint` names the chain in intents; `board` is one that the job is on. `account` is
        who would send, which only an estimate of gas depends on."""
        self._chain = chain
        self._board = board
        self._fingerprint = fingerprint
        self._account = account
        self.job = job
        self._story = Story(job)
        # As it was read last, at this head.
        self._standing: Standing | None = None
        self._head: Head | None = None
        self._kept_back_since: int | None = None
        self._rhythm = None if job.every is None else Rhythm(job.every)
        self._gas = job.gas

    @property
    def name(self) -> str:
        """The job's own, since each is done by one program: its lock has this name."""
        return f"{NAME}/{self.job.name}"

    @property
    def contract(self) -> Address:
        return self.job.action.contract

    def resume(self, journal: Journal) -> None:
        """Goes on where former processes were, as far as the journal of all has it: else a pause
        after what was in vain would end with the process. Raises JournalUnavailable."""
        if self._rhythm is None:
            return
        series = (self._fingerprint, self.contract, self.name, self.job.action.function)
        newest = journal.newest_in_series(*series, MOST_STEPS)
        self._rhythm.resume(
            (int(params["epoch"]), kind is OutcomeKind.SUCCEEDED)
            for params, kind in reversed(newest)
            if "epoch" in params
        )

    async def observe(self, event: HeadEvent) -> None:
        """Reads the conditions of all jobs of the board, unless another of them has; see Family."""
        await self._board.read(event.head)
        standing = self._board.standing(self.job, event.head)
        assert standing is not None, "the board was read at this head"
        self._standing, self._head = standing, event.head
        if not (standing.true and standing.kept_back):
            self._kept_back_since = None
        elif self._kept_back_since is None:
            self._kept_back_since = event.head.number
        if standing.data is not None and self._wanted(standing, event.head):
            self._gas = await self.limit(standing.data)

    def due(self, head: Head) -> list[Intent]:
        """The action, where the condition is true at `head`; says where it is not."""
        standing = self._board.standing(self.job, head)
        if standing is None:
            return []
        wanted = self._wanted(standing, head)
        self._story.stands(standing, wanted, head)
        if not wanted:
            return []
        assert standing.data is not None, "its condition is true"
        return [self.intent(standing.data, self._gas, standing.epoch, head)]

    async def look_ahead(self, head: Head) -> None:
        """Nothing: conditions are read when the next block is there."""

    def upcoming(self, head: Head) -> list[Intent]:
        """None: what the next block makes of the condition nobody knows."""
        return []

    def intent(self, data: bytes, gas: int, epoch: int | None, head: Head) -> Intent:
        """To call its function with `data` and so much gas in the block after `head`.

        `epoch` is what the contract gives, None where it gives none.
        """
        action = self.job.action
        if self._rhythm is not None:
            epoch = self._rhythm.period(head)
        subject = (self.name, action.function, self._fingerprint, action.contract)
        counted = epoch is None
        return Intent(
            key=":".join(subject if counted else (*subject, str(epoch))),
            family=self.name,
            kind=action.function,
            chain=self._fingerprint,
            contract=action.contract,
            params={} if epoch is None else {"epoch": epoch},
            to=action.contract,
            data=data,
            gas=gas,
            first_block=head.number + 1,
            last_block=NO_LAST_BLOCK,
            urgency=self.job.urgency,
            max_cost=ANY_COST if self.job.max_cost is None else self.job.max_cost,
            expects=Expectations(before=necessary_views(self.job.necessary)),
            order=Order.COUNTED if counted else Order.IN_TURN,
        )

    async def limit(self, data: bytes) -> int:
        """The limit of its gas with this data: its own, or the node's estimate and the margin, no
        more than its own. That is taken, too, where there is no estimate: a simulation says why.

        Raises NodeUnavailable.
        """
        margin = self.job.gas_margin
        if margin is None:
            return self.job.gas
        action = Call(self.contract, data, sender=self._account, gas=self.job.gas)
        [estimate] = await self._chain.estimates([action])
        if estimate is None:
            return self.job.gas
        return min(self.job.gas, estimate * (100 + margin) // 100)

    async def recognises(self, intents: Sequence[Intent], head: Head) -> list[str | None]:
        """The operator named the contract; that it has the function, its code must say."""
        action, standing = self.job.action, self._board.standing(self.job, head)
        [found] = await functions_found(self._chain, [action], at=head.hash)
        if standing is None or not found.there:
            return [None] * len(intents)
        own = (action.contract, standing.data)
        return [found.says if (intent.to, intent.data) == own else None for intent in intents]

    def judge(self, kind: str, params: Params, effects: Effects) -> Verdict:
        """From the events that prove it."""
        return judge(self.job, effects)

    def still_useful(self, kind: str, params: Params, head: Head) -> bool:
        """While the condition is true, and while nobody knows whether it is; of what is done every
        so often, in its own period."""
        if self._rhythm is not None and self._rhythm.period(head) != params.get("epoch"):
            return False
        standing = self._board.standing(self.job, head)
        return standing is None or standing.trouble is not None or self._wanted(standing, head)

    def forgettable(self, kind: str, params: Params, head: Head) -> bool:
        """When the contract gives another number by now; where it gives none, keys count on. Of
        what is done every so often, what no pause depends on any more."""
        if "epoch" not in params:
            return True
        if self._rhythm is not None:
            period = int(params["epoch"])
            return self._rhythm.period(head) > period and not self._rhythm.counts(period)
        standing = self._standing
        return standing is not None and standing.epoch not in (None, params["epoch"])

    def retries(self, kind: str, outcome: OutcomeKind) -> bool:
        """While the condition is true all the same. Else what it was about is over, and when it
        becomes true again that is another time."""
        return self._may_be_true

    def told(self, intent: Told, progress: Progress) -> None:
        """Says it in the words of the seed."""
        if self._rhythm is not None and "epoch" in intent.params:
            period = int(intent.params["epoch"])
            if isinstance(progress, Unmined):
                self._rhythm.undone(period)
            elif isinstance(progress, Mined) and progress.verdict.kind is not OutcomeKind.SUCCEEDED:
                self._rhythm.failed(period)
            elif isinstance(progress, Mined):
                self._rhythm.succeeded(period)
            elif isinstance(progress, Recorded) and progress.state is IntentState.SUCCEEDED:
                # By a former process: this period has nothing more to do.
                self._rhythm.succeeded(period)
                return
        self._story.progress(progress, self._may_be_true)

    def counts(self) -> dict[str, int]:
        """That it is a job, and whether its condition is unreadable."""
        unreadable = self._standing is not None and self._standing.trouble is not None
        return {"jobs": 1, "unreadable": int(unreadable)}

    def agenda(self, count: int) -> list[Appointment]:
        """When it is done next, where it is done every so often and nothing but the time is against
        it now; of a condition nobody knows when it becomes true."""
        every, standing, head = self.job.every, self._standing, self._head
        if every is None or self._rhythm is None or standing is None or head is None:
            return []
        if not standing.true or standing.kept_back:
            return []
        action = self.job.action
        return [
            Appointment(action.function, action.contract, every.unit, self._rhythm.opens_at(head))
        ][:count]

    def vitals(self) -> Vitals:
        """Whether it is done when it is due, as far as the job itself tells."""
        return self._story.vitals()

    @property
    def _may_be_true(self) -> bool:
        """Whether its condition is true, as far as anybody knows."""
        standing = self._standing
        return standing is None or standing.trouble is not None or standing.true

    def _wanted(self, standing: Standing, head: Head) -> bool:
        """Whether it is to be done after `head`."""
        if self._rhythm is not None and not self._rhythm.is_open(head):
            return False
        if not standing.kept_back:
            return standing.true
        since, yields = self._kept_back_since, self.job.yields
        waited_enough = since is not None and yields is not None and head.number - since >= yields
        return standing.true and waited_enough
