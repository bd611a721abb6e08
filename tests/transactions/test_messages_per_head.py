"""The node is asked no more often for a hundred open slots than for ten, whatever happens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scheduler.chain.model import Head
from scheduler.transactions.states import IntentState
from tests.transactions.rig import CONFIRMATIONS, ETHER, Bench, Office, office

GWEI = 10**9


class Log:
    """How many messages go to the node, by what happens meanwhile."""

    def __init__(self, at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_phase: dict[str, int] = {}
        self._at = at
        self._messages = 0
        connection = at.node._connection
        exchange = connection._exchange

        async def counted(requests: Sequence[object]) -> Any:
            self._messages += 1
            return await exchange(requests)

        monkeypatch.setattr(connection, "_exchange", counted)

    async def head(self, phase: str, base_fee: int = GWEI, removed: Sequence[Head] = ()) -> Head:
        """A block at this base fee, in wei per gas, and what the program does with it."""
        at = self._at
        at.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        at.bench.mine()
        before = self._messages
        head = await at.turn(removed=removed)
        self.by_phase[phase] = self._messages - before
        return head


async def messages(
    bench: Bench, path: Path, slots: int, monkeypatch: pytest.MonkeyPatch
) -> dict[str, int]:
    """What each head takes in the life of so many transactions of one account."""
    async with office(bench, path, bench.key(100 * ETHER)) as at:
        log = Log(at, monkeypatch)
        await log.head("the first head")
        await log.head("idle")
        keys = [f"{number}" for number in range(slots)]
        at.want(*(at.wish(key) for key in keys))
        await log.head("sent")
        snapshot = bench.endpoint.request("evm_snapshot")
        for patience in range(3):
            await log.head(f"left out {patience}", 500 * GWEI)
        assert len(at.open_attempts()) > slots
        bench.endpoint.request("anvil_dropAllTransactions")
        await log.head("lost and sent again", 500 * GWEI)
        mined = await log.head("mined")
        bench.endpoint.request("evm_revert", snapshot)
        bench.endpoint.request("anvil_setNextBlockTimestamp", hex(mined.timestamp + 5))
        bench.mine(5)
        await log.head("taken back", removed=[mined])
        for block in range(CONFIRMATIONS + 3):
            await log.head(f"mined again and final {block}")
        assert set(at.journal.intent_states(keys).values()) == {IntentState.SUCCEEDED}
        assert at.open_attempts() == []
        return log.by_phase


async def test_a_head_takes_no_more_messages_with_a_hundred_open_slots(
    anvil_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten = await messages(anvil_bench, tmp_path / "ten.db", 10, monkeypatch)
    hundred = await messages(anvil_bench, tmp_path / "hundred.db", 100, monkeypatch)
    assert hundred["idle"] == ten["idle"] == 2, "the account's nonces, and the test's own"
    # With prices raised and bytes sent again in one head.
    assert max(hundred.values()) <= 8
    assert max(ten.values()) <= 8
