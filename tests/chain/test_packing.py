"""Many views and balances in one request: the same answers as one by one, on real nodes."""

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.connection import connect
from scheduler.chain.dialect import Dialect
from scheduler.chain.evm import MOST_CODE, assemble
from scheduler.chain.jsonrpc import Json
from scheduler.chain.model import Call, CallResult, Hash
from scheduler.chain.node import JsonRpcNode
from scheduler.chain.packing import (
    VIEW_GAS,
    packed_balances,
    packed_views,
    unpacked_views,
    worth_packing,
)
from tests.chain.contracts import Rig
from tests.chain.test_node import count

ONE_BY_ONE = Dialect(batch_limit=100, runs_code=False)

# Reverts with Error("no").
REFUSES = "6308c379a060e01b600052" + "6020600452" + "6002602452" + "616e6f60f01b604452"
REFUSES += "60646000fd"

# Remembers GAS, and loops until 1,500,000 less are left; returns 1.
HUNGRY = "5a5b" + "5a8103" + "6216e360" + "11" + "600157" + "60016000526020" + "6000f3"

calls = st.builds(
    Call,
    st.binary(min_size=20, max_size=20).map(lambda data: "0x" + data.hex()),
    st.binary(max_size=100),
)


class Counting(JsonRpcNode):
    """A node that counts the requests made of it."""

    requests = 0

    async def _call(self, messages: Sequence[Json], at: Hash) -> list[CallResult]:
        self.requests += len(messages)
        return await super()._call(messages, at)


@pytest.fixture
async def packing(rig: Rig, endpoint: str) -> AsyncIterator[Counting]:
    node = Counting(connect(endpoint))
    yield node
    await node.close()


async def test_packed_views_answer_as_they_do_one_by_one(rig: Rig, packing: Counting) -> None:
    refuses = rig.deploy(REFUSES)
    latest = count(rig)
    views = [
        Call(rig.counter),
        Call(rig.reverter),
        Call(refuses),
        Call("0x" + "57" * 20, b"\x01\x02"),
        Call(rig.counter),
    ]
    packed = await packing.call(views, at=latest)
    # What fails is asked by itself.
    assert packing.requests == 1 + 2
    packing.speak(ONE_BY_ONE)
    assert await packing.call(views, at=latest) == packed
    assert packing.requests == 3 + len(views)
    assert [each.ok for each in packed] == [True, False, False, True, True]
    assert packed[2].error is not None
    assert "execution reverted: no" in packed[2].error


async def test_a_view_that_wants_more_gas_than_it_has_in_a_pack_answers_all_the_same(
    rig: Rig, packing: Counting
) -> None:
    """It burns gas until 1.5 million are gone, then returns a word."""
    hungry = rig.deploy(HUNGRY)
    latest = count(rig)
    found = await packing.call([Call(hungry), *[Call(rig.counter)] * 5], at=latest)
    assert all(each.ok for each in found)
    assert found[0].data == (1).to_bytes(32, "big")
    assert packing.requests == 2


async def test_views_that_burn_their_gas_leave_the_rest_to_further_requests(
    rig: Rig, packing: Counting
) -> None:
    """At a million each, a node's gas for one request ends among them."""
    latest = count(rig)
    views = [Call(rig.burner), Call(rig.counter)] * 60
    found = await packing.call(views, at=latest)
    assert [each.ok for each in found] == [False, True] * 60
    assert 1 < packing.requests - 60 < 10


async def test_as_many_views_as_there_may_be_in_few_requests(rig: Rig, packing: Counting) -> None:
    latest = count(rig)
    found = await packing.call([Call(rig.counter)] * 5_000, at=latest)
    assert len(found) == 5_000
    assert len({each.data for each in found}) == 1
    assert packing.requests == 3


async def test_packed_balances(rig: Rig, packing: Counting) -> None:
    latest = count(rig)
    accounts = [rig.account, *(f"0x{number:040x}" for number in range(4_000))]
    found = await packing.balances(accounts, at=latest)
    assert packing.requests == 2
    [alone] = await packing.balances([rig.account], at=latest)
    assert found[0] == alone
    assert alone > 0
    assert found[1 + 0x123] == 0


async def test_a_node_that_does_not_run_such_code_is_asked_one_by_one(
    rig: Rig, packing: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may answer something else, or leave out what the code reverted with."""
    latest = count(rig)
    views = [Call(rig.counter)] * 6
    expected = await packing.call(views, at=latest)
    for answer in (b"", b"\x00" * 31 + b"\xaa"):

        async def run(codes: list[bytes], at: Hash, answer: bytes = answer) -> list[bytes]:
            return [answer] * len(codes)

        monkeypatch.setattr(packing, "run", run)
        assert await packing.call(views, at=latest) == expected
        assert len(await packing.balances([rig.account] * 5, at=latest)) == 5


@given(st.lists(calls, max_size=600))
def test_what_is_packed_are_all_calls_in_their_order(views: list[Call]) -> None:
    parts = list(packed_views(views))
    assert [call for _, part in parts for call in part] == views
    assert all(len(code) <= MOST_CODE for code, _ in parts)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=50)), max_size=20), st.data())
def test_answers_are_unpacked_as_far_as_they_go(
    answers: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    texts = [bytes([ok]) + len(text).to_bytes(4, "big") + text for ok, text in answers]
    found = unpacked_views(b"".join(texts))
    assert [(each.ok, each.data) for each in found] == answers
    whole = b"".join(texts)
    cut = data.draw(st.integers(0, len(whole)))
    if cut not in {len(b"".join(texts[:n])) for n in range(len(texts) + 1)}:
        # Not to be understood: then each is asked by itself.
        assert unpacked_views(whole[:cut]) == []


def test_only_plain_views_are_packed() -> None:
    view = Call("0x" + "11" * 20, b"\0\0\0\0")
    assert worth_packing([view] * 4)
    assert not worth_packing([view] * 3)
    for other in (
        Call(view.to, view.data, sender=view.to),
        Call(view.to, view.data, value=1),
        Call(view.to, view.data, gas=VIEW_GAS),
        Call(view.to, bytes(10_000)),
    ):
        assert not worth_packing([view, view, view, other])


def test_balances_fit_into_code() -> None:
    codes = list(packed_balances(["0x" + "11" * 20] * 5_000))
    assert len(codes) == 3
    assert all(len(code) <= MOST_CODE for code in codes)


def test_programs_are_assembled() -> None:
    assert assemble("  1 0x100 ; a comment ADD\n again: @again JUMP @end") == bytes.fromhex(
        "6001" + "610100" + "5b" + "610005" + "56" + "61000d"
    )
    with pytest.raises(KeyError):
        assemble("NONSENSE")
