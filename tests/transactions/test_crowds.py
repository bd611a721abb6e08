"""What is urgent has one block: where blocks are full, it starts with what enters them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.transactions.encoding import DynamicFee, Transaction, sign
from scheduler.transactions.intents import Urgency
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.purse import Budget
from tests import nodes
from tests.transactions.rig import ETHER, Bench, Office, later, office

GWEI = 10**9
ROOM = 1_000_000
TRANSFER = 21_000
# Of next to nothing: anvil goes by what transactions pay at most, and not by their tips.
BASE_FEE = 7


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Small blocks, made of what pays most, as builders make them."""
    with nodes.anvil(automine=False, order="fees", gas_limit=ROOM) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture
async def at(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    """A program whose node suggests what was enough in most blocks: geth looks at the last 20."""
    async with office(bench, tmp_path / "journal.db", bench.key()) as opened:
        look = opened.node.conditions

        async def modest(*given: Any) -> Any:
            return replace(await look(*given), suggested=GWEI)

        monkeypatch.setattr(opened.node, "conditions", modest)
        yield opened


def mine(bench: Bench, blocks: int = 1) -> None:
    for _ in range(blocks):
        bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))
        bench.mine()


def crowd(bench: Bench, key: PrivateKey, tip: int, blocks: int) -> None:
    """Transfers that fill so many blocks are sent, each with this tip."""
    first = bench.nonce(key.public_key.to_address(), "pending")
    for nonce in range(first, first + blocks * (ROOM // TRANSFER)):
        fee = DynamicFee(BASE_FEE + tip, tip)
        transfer = Transaction(bench.chain_id, nonce, bench.rich, 1, TRANSFER, b"", fee)
        bench.endpoint.request("eth_sendRawTransaction", "0x" + sign(transfer, key).raw.hex())


async def test_what_is_urgent_enters_a_full_block_and_the_rest_waits(at: Office) -> None:
    bench, tip = at.bench, 7 * GWEI
    rivals = bench.key(100 * ETHER)
    crowd(bench, rivals, tip, blocks=4)
    mine(bench, 2)
    head = await at.head()
    assert (await at.sender.conditions(head)).crowded == tip
    at.want(at.wish("patient"), at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    offered = {each.intent.key: fee_of(each.fields) for each in at.open_attempts()}
    assert [fee.tip for fee in offered.values() if isinstance(fee, DynamicFee)] == [tip + 1, GWEI]
    mine(bench)
    assert at.hits == 1
    mine(bench, 2)
    assert at.hits == 2


async def test_where_blocks_had_room_nothing_more_is_offered(at: Office) -> None:
    bench = at.bench
    rivals = bench.key(100 * ETHER)
    mine(bench, 10)
    crowd(bench, rivals, 7 * GWEI, blocks=1)
    bench.endpoint.request("evm_setBlockGasLimit", hex(2 * ROOM))
    mine(bench)
    bench.endpoint.request("evm_setBlockGasLimit", hex(ROOM))
    at.want(at.wish("urgent", urgency=Urgency.URGENT))
    await at.turn()
    [attempt] = at.open_attempts()
    fee = fee_of(attempt.fields)
    assert isinstance(fee, DynamicFee)
    assert fee.tip == GWEI
    mine(bench)
    assert at.hits == 1


@pytest.mark.parametrize("lacks", ["balance", "budget"])
async def test_what_cannot_pay_for_a_crowd_starts_with_the_usual_price(
    at: Office, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """It was kept back as if it could not be paid at all, where what is not urgent was sent."""
    bench, look = at.bench, at.node.conditions
    there = 10**16

    async def crowded(*given: Any) -> Any:
        return replace(await look(*given), crowded=200 * GWEI)

    monkeypatch.setattr(at.node, "conditions", crowded)
    if lacks == "balance":
        bench.endpoint.request("anvil_setBalance", at.address, hex(there))
    else:
        at = later(at, budget=Budget(urgent_per_day=there))
    mine(bench)
    wishes = [at.wish(key, urgency=Urgency.URGENT) for key in ("one", "two")]
    at.want(*wishes)
    await at.turn()
    assert [fee_of(each.fields).cap < 2 * GWEI for each in at.open_attempts()] == [True, True]
    mine(bench)
    assert at.hits == 2
