"""What a node took and lost is sent again: one that was restarted, one that orders by fees."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scheduler.chain.errors import NodeUnavailable
from scheduler.devchain.nodes import start_geth
from scheduler.transactions.fees import FeePolicy
from tests import nodes
from tests.transactions.rig import Bench, Office, later, office

# Seconds from one block to the next, so that none comes meanwhile.
NEVER = 3_600

# geth keeps in a file what was sent to itself, unless told not to; a provider's node does not.
FORGETS = ("--txpool.nolocals", "--txpool.journal", "")


@contextmanager
def life(directory: Path, period: int) -> Iterator[Bench]:
    """One life of the geth in this directory, with so many seconds from block to block."""
    node = start_geth(directory, period=period, options=FORGETS)
    bench = Bench(node)
    try:
        yield bench
    finally:
        bench.endpoint.close()
        node.stop()


async def known(at: Office, hash_: str) -> bool:
    """Whether the node has it, asked on a connection that breaks with the node."""
    for _ in range(100):
        try:
            [there] = await at.node.known([hash_])
            return bool(there)
        except NodeUnavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("the node does not come back")


async def test_what_a_restarted_geth_forgot_is_sent_again(tmp_path: Path) -> None:
    with life(tmp_path / "geth", period=1) as bench:
        counter, key = bench.counter, bench.key()
    with ExitStack() as first:
        bench = first.enter_context(life(tmp_path / "geth", NEVER))
        bench.counter = counter
        async with office(bench, tmp_path / "journal.db", key) as at:
            at.want(at.wish())
            await at.turn()
            [attempt] = at.open_attempts()
            assert attempt.hash is not None
            assert await known(at, attempt.hash)
            first.close()
            with life(tmp_path / "geth", period=1) as at.bench:
                at.bench.counter = counter
                assert not await known(at, attempt.hash)
                await at.until_mined()
                assert at.node.sent == [attempt.hash] * 2
                assert at.hits == 1
                assert at.bench.nonce(at.address) == 1


async def test_what_anvils_own_order_loses_is_sent_again(tmp_path: Path) -> None:
    """It drops transactions of an account whose later nonce pays more, when it makes a block."""
    with nodes.anvil(automine=False, order="fees", hardfork="istanbul") as node:
        bench = Bench(node)
        who = next(bench.unlocked)
        async with office(bench, tmp_path / "journal.db", who) as at:
            at.node.signs = False
            for price in range(1, 7):
                policy = FeePolicy(min_tip=price * 10**9)
                at = later(at, policy=policy)
                at.want(at.wish(str(price)))
                await at.turn()
            for _ in range(20):
                await at.mine_and_turn()
            assert len(at.node.requested) > 6
            assert at.hits == 6
            assert at.bench.nonce(at.address) == 6
            assert at.open_attempts() == []
        bench.endpoint.close()
