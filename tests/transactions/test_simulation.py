"""What is known of a transaction before it is sent: simulated, or foreseen from views."""

import json
from dataclasses import replace

import pytest

from scheduler.chain.errors import CannotSimulate
from scheduler.transactions.encoding import DynamicFee, Fee, LegacyFee
from scheduler.transactions.expectations import Expectations, Refund, View
from scheduler.transactions.intents import Effects, Intent
from scheduler.transactions.simulation import VIEW_GAS, Aim, Trial, simulated
from tests.transactions.rig import VIEW, Office

GWEI = 10**9


def total(at: Office, hits: int) -> View:
    """The counter's total, which is to be this."""
    return View(at.bench.counter, VIEW, hits.to_bytes(32, "big"), f"it is not {hits}")


def hits(at: Office) -> int:
    answer = at.bench.endpoint.number(
        "eth_call", {"to": at.bench.counter, "data": "0x" + VIEW.hex()}, "latest"
    )
    return int(answer)


async def effects_of(at: Office, *intents: Intent) -> list[Effects]:
    head = await at.head()
    fee: Fee = LegacyFee(GWEI) if head.base_fee is None else DynamicFee(10 * GWEI, GWEI)
    trials = [Trial(intent, fee) for intent in intents]
    return await simulated(at.node, trials, Aim(at.address, head))  # type: ignore[arg-type]


@pytest.fixture
def simulates(at: Office) -> bool:
    return at.bench.stand_in is None


async def test_a_view_behind_each_transaction_reads_what_it_did(
    at: Office, simulates: bool
) -> None:
    if not simulates:
        pytest.skip("nothing can be read behind what cannot be simulated")
    now = hits(at)
    expected = [Expectations(after=(total(at, now + n),)) for n in (1, 2, 2)]
    wishes = [at.wish(str(n), expects=expects) for n, expects in enumerate(expected)]
    effects = await effects_of(at, *wishes)
    assert [one.unmet for one in effects] == [None, None, f"it is not {now + 2}"]
    assert all(len(one.logs) == 1 and not one.foreseen for one in effects)


async def test_a_transaction_that_may_fill_its_block_has_no_view_behind_it(
    at: Office, simulates: bool
) -> None:
    if not simulates:
        pytest.skip("nothing can be read behind what cannot be simulated")
    wrong = Expectations(after=(total(at, 10**9),))
    room = (await at.head()).gas_limit - VIEW_GAS
    [effects] = await effects_of(at, at.wish(gas=room + 1, expects=wrong))
    assert (effects.ok, effects.unmet) == (True, None)
    [effects] = await effects_of(at, at.wish(gas=room, expects=wrong))
    assert effects.unmet == f"it is not {10**9}"


@pytest.mark.parametrize("off", [0, 1])
async def test_where_nothing_can_be_simulated_the_views_before_it_decide(
    at: Office, simulates: bool, off: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if simulates:

        async def cannot(*_: object, **__: object) -> None:
            raise CannotSimulate

        monkeypatch.setattr(at.node, "simulate", cannot, raising=False)
    before = total(at, hits(at) + off)
    [effects] = await effects_of(at, at.wish(expects=Expectations(before=(before,))))
    assert (effects.ok, effects.foreseen, effects.logs) == (True, True, ())
    assert effects.unmet == (before.otherwise if off else None)


async def test_of_the_gas_so_much_counts_as_paid_back_as_the_payer_has(at: Office) -> None:
    if at.bench.stand_in is None:
        pytest.skip("a node that simulates knows what is paid")
    payer = at.bench.key(10**12).public_key.to_address()
    all_of_it = 100_000 * GWEI
    for reserved, expected in ((0, 10**12), (4 * 10**11, 6 * 10**11), (10**13, 0)):
        wish = at.wish(expects=Expectations(refund=Refund(payer, reserved)))
        [effects] = await effects_of(at, wish)
        assert (effects.refund, effects.gas_used) == (expected, 100_000)
    at.bench.endpoint.request("anvil_setBalance", payer, hex(10**18))
    [effects] = await effects_of(at, replace(wish, expects=Expectations(refund=Refund(payer))))
    assert effects.refund == all_of_it


async def test_what_is_expected_is_kept_with_the_intent(at: Office) -> None:
    expects = Expectations(
        before=(total(at, hits(at)),),
        after=(total(at, hits(at) + 1),),
        refund=Refund(at.address, 7),
    )
    assert Expectations.from_data(json.loads(json.dumps(expects.as_data()))) == expects
    at.want(at.wish(expects=expects))
    await at.turn()
    [attempt] = at.open_attempts()
    assert attempt.limits.expects == expects
    await at.until_mined()
