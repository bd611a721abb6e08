"""When whom a call lets do what: the rules here against the real contract, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.alarm.calls import ClaimTerms, Moment, Status, Terms, Unit, first_turn, is_our_turn
from scheduler.chain.model import ZERO_ADDRESS
from scheduler.devchain.accounts import Role, address_of
from scheduler.devchain.scheduling import ScheduledCall
from tests import nodes
from tests.alarm.rig import EXECUTE, World

US = "0x" + "11" * 20
RIVAL = "0x" + "22" * 20
CALLABLE = 4

TERMS = Terms(
    call="0x" + "c0" * 20,
    unit=Unit.BLOCKS,
    target=1_000,
    last=1_039,
    reserved=16,
    gas=200_000,
    price=0,
    payment=5 * 10**15,
    fee=5 * 10**13,
    value=0,
    recipient="0x" + "33" * 20,
    data=b"\1\2\3\4",
    owner="0x" + "44" * 20,
    claim=ClaimTerms(735, 989, 240, 240, 2, comes_back=True, at_risk=True),
)


def at(block: int) -> Moment:
    """A block whose time does not matter."""
    return Moment(block, time=0)


NOBODYS, OURS, ANOTHERS = Status(), Status(claimer=US), Status(claimer=RIVAL)


@pytest.mark.parametrize(
    ("status", "offset", "ours"),
    [
        (NOBODYS, -1, False),
        (NOBODYS, 0, True),
        (NOBODYS, 39, True),
        (NOBODYS, 40, False),
        (OURS, -1, False),
        (OURS, 0, True),
        (OURS, 16, True),
        (OURS, 39, True),
        (OURS, 40, False),
        (ANOTHERS, 0, False),
        (ANOTHERS, 15, False),
        (ANOTHERS, 16, True),
        (ANOTHERS, 39, True),
        (ANOTHERS, 40, False),
        (NOBODYS.cancelled_now(), 0, False),
        (NOBODYS.executed_by(RIVAL), 0, False),
        (OURS.executed_by(US), 0, False),
    ],
)
def test_whose_turn_it_is(status: Status, offset: int, ours: bool) -> None:
    assert is_our_turn(TERMS, status, US, at(TERMS.target + offset)) is ours


@pytest.mark.parametrize(("status", "offset"), [(NOBODYS, 0), (OURS, 0), (ANOTHERS, 16)])
def test_the_first_turn_is_the_first_block_that_is_ours(status: Status, offset: int) -> None:
    first = first_turn(TERMS, status, US)
    assert first == TERMS.target + offset
    assert is_our_turn(TERMS, status, US, at(first))
    assert not is_our_turn(TERMS, status, US, at(first - 1))


@dataclass(frozen=True)
class Scheduled:
    """A real call with its terms and status as they were asked for."""

    call: ScheduledCall
    terms: Terms
    status: Status


@dataclass(frozen=True)
class Calls:
    world: World
    us: str
    all: tuple[Scheduled, ...]

    def view(self, block: int, call: ScheduledCall, data: bytes) -> bytes | None:
        """What the call contract answers in block `block`; None where it throws."""
        outcome = self._simulated(block, call, data)
        return bytes.fromhex(outcome["returnData"][2:]) if outcome["status"] == "0x1" else None

    def execution(self, block: int, call: ScheduledCall) -> list[str]:
        """The first topics of the call contract's logs when we execute it in block `block`."""
        logs = self._simulated(block, call, EXECUTE)["logs"]
        return [log["topics"][0] for log in logs if log["address"] == call.address]

    def _simulated(self, block: int, call: ScheduledCall, data: bytes) -> Any:
        message = {"from": self.us, "to": call.address, "data": "0x" + data.hex()}
        message["gas"] = hex(400_000)
        blocks = [{"blockOverrides": {"number": hex(block)}, "calls": [message]}]
        answer = self.world.request("eth_simulateV1", {"blockStateCalls": blocks}, "latest")
        return answer[-1]["calls"][0]


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    """Calls of short, middle and the longest grace: unclaimed, ours, and claimed by another."""
    us = address_of(Role.CROWD)
    with nodes.alarm_on_anvil() as chain:
        chain.endpoint.request("evm_setAutomine", False)
        world = World(chain)
        scheduled = []
        for grace in (32, 77, 255):
            for claimer in (None, world.alarm.claimer, world.rival):
                (call,) = world.schedule(world.head + 30, grace=grace)
                status = Status()
                if claimer is not None:
                    world.claim(call, claimer)
                    status = status.claimed_by(claimer.address)
                terms = replace(
                    TERMS,
                    call=call.address,
                    target=call.target_block,
                    last=call.target_block + grace - 1,
                )
                scheduled.append(Scheduled(call, terms, status))
        yield Calls(world, us, tuple(scheduled))


@given(
    st.integers(0, 8),
    st.one_of(
        st.integers(-1, 1),
        st.integers(14, 17),
        st.integers(-2, 258),
        st.sampled_from([30, 31, 32, 33, 75, 76, 77, 78, 253, 254, 255, 256]),
    ),
)
@settings(max_examples=120)
def test_it_is_our_turn_where_the_real_contract_would_let_us_execute(
    calls: Calls, which: int, offset: int
) -> None:
    """By its state(), and by checkExecutionAuthorization, which throws far from the window."""
    scheduled = calls.all[which]
    block = scheduled.terms.target + offset
    state = calls.view(block, scheduled.call, keccak(text="state()")[:4])
    assert state is not None
    allowed = calls.view(
        block,
        scheduled.call,
        keccak(text="checkExecutionAuthorization(address,uint256)")[:4]
        + encode(["address", "uint256"], [calls.us, block]),
    )
    authorized = allowed is not None and decode(["bool"], allowed)[0]
    possible = decode(["uint8"], state)[0] == CALLABLE and authorized
    assert is_our_turn(scheduled.terms, scheduled.status, calls.us, at(block)) is possible


@pytest.mark.parametrize("which", range(9))
def test_in_our_first_and_last_block_executing_has_the_effect_and_beyond_it_has_not(
    calls: Calls, which: int
) -> None:
    scheduled = calls.all[which]
    executed = "0x" + keccak(text="CallExecuted(address,uint256,uint256,uint256,bool)").hex()
    first = first_turn(scheduled.terms, scheduled.status, calls.us)
    last = scheduled.terms.last
    done = {
        block: calls.execution(block, scheduled.call) == [executed]
        for block in (first - 1, first, last, last + 1)
    }
    assert done == {first - 1: False, first: True, last: True, last + 1: False}


def test_the_subject_is_the_same_however_often_it_is_computed() -> None:
    assert TERMS.subject() == replace(TERMS).subject()
    assert TERMS.subject().startswith(TERMS.call)


@pytest.mark.parametrize("field", [field.name for field in fields(Terms)])
def test_calls_with_other_terms_have_other_subjects(field: str) -> None:
    """After a reorg another call may be at the same address: it is another one for the journal."""
    value = getattr(TERMS, field)
    other = {
        int: lambda: value + 1,
        str: lambda: ZERO_ADDRESS,
        bytes: lambda: b"\4\3\2\1",
        Unit: lambda: Unit.SECONDS,
        ClaimTerms: lambda: replace(value, deposit=value.deposit + 1),
    }
    changed = replace(TERMS, **{field: other[type(value)]()})
    assert changed.subject() != TERMS.subject()
