"""Whatever happens in whatever order, each call is executed exactly once.

Histories drawn at random, with reorgs, gaps, broken connections, restarts, and rivals; whether it
came out right is read from the chain.
"""

from random import Random

import pytest

from scheduler.chain.errors import NodeUnavailable
from scheduler.chain.heads import HeadTracker
from scheduler.devchain.scheduling import ScheduledCall
from tests.alarm.rig import CONFIRMATIONS, Program, World

STEPS = 90


class History:
    """A chain to which things happen, and a program that lives through them."""

    def __init__(self, world: World, scheduler: Program, seed: int) -> None:
        self.world = world
        self.scheduler = scheduler
        self.random = Random(seed)
        self.calls: list[ScheduledCall] = []
        self._snapshots: list[tuple[int, str]] = []

    def remember(self) -> None:
        self._snapshots.append((self.world.head, self.world.snapshot()))

    async def see(self) -> None:
        event = await self.scheduler.event()
        if event is None:
            return
        try:
            await self.scheduler.flow.on(event)
        except NodeUnavailable:
            assert self.scheduler.node.reads_before_failure is None

    def schedule(self) -> None:
        ahead = self.random.randrange(12, 40)
        same = self.random.randrange(1, 4)
        self.calls += self.world.schedule(*[self.world.head + ahead] * same)

    def claim(self) -> None:
        for call in self.calls:
            free = int(self.world.alarm.view(call.address, "claimer()", "address"), 16) == 0
            if free and self.world.head + 1 <= call.target_block - 11:
                self.world.claim(call, self.world.rival)
                return

    def rival_executes(self) -> None:
        """In the next block; it may or may not be his turn."""
        near = [c for c in self.calls if 0 <= self.world.head + 1 - c.target_block < 20]
        if near:
            self.world.rival_executes(self.random.choice(near))

    def reorg(self) -> None:
        """As deep as an outcome is not final; calls that it removes are gone for good."""
        depth = self.random.randrange(1, CONFIRMATIONS + 1)
        kept = [entry for entry in self._snapshots if entry[0] <= self.world.head - depth]
        if not kept or kept[-1][0] < self.world.head - CONFIRMATIONS:
            return
        block, snapshot = kept.pop()
        removed = self.world.head - block
        self._snapshots = kept
        self.world.reorg(snapshot)
        self.calls = [call for call in self.calls if call.scheduled_in <= block]
        self.remember()
        self.world.mine(removed + self.random.randrange(1, 3))

    async def step(self) -> None:
        happening = self.random.choices(
            ["nothing", "schedule", "claim", "rival", "reorg", "gap", "rebase", "break", "restart"],
            [40, 12, 5, 12, 10, 6, 4, 8, 2],
        )[0]
        self.remember()
        if happening == "schedule":
            self.schedule()
        elif happening == "claim":
            self.claim()
        elif happening == "rival":
            self.rival_executes()
        elif happening == "reorg":
            self.reorg()
        elif happening == "gap":
            self.world.mine(self.random.randrange(2, 5))
        elif happening == "rebase":
            self.scheduler.tracker = HeadTracker()
        elif happening == "break":
            self.scheduler.node.reads_before_failure = self.random.randrange(4)
        elif happening == "restart":
            self.scheduler.restart()
        if happening not in ("schedule", "claim", "reorg"):
            self.world.mine()
        await self.see()


@pytest.mark.parametrize("seed", range(5))
async def test_each_call_is_executed_exactly_once(
    world: World, scheduler: Program, seed: int
) -> None:
    history = History(world, scheduler, seed)
    await scheduler.see()
    for _ in range(STEPS):
        await history.step()
    scheduler.node.reads_before_failure = None
    for _ in range(60):
        world.mine()
        await history.see()
    assert history.calls
    for call in history.calls:
        assert world.alarm.view(call.address, "targetBlock()", "uint256") == call.target_block
        assert world.hits(call) == 1
        ours = world.executions(call, scheduler.us)
        assert len(ours) <= 1
    assert scheduler.flow.in_flight == 0
    assert scheduler.outcomes()["succeeded"] > 0
