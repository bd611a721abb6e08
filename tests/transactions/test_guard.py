"""No key signs what was not proved to be the family's, or is not what the journal has of it."""

import ast
import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scheduler.chain.model import Call
from scheduler.errors import NotYet
from scheduler.transactions import guard
from scheduler.transactions.encoding import DynamicFee, Signed
from scheduler.transactions.guard import Draft, NotAllowed
from scheduler.transactions.intents import Unsigned
from scheduler.transactions.journal import Attempt, Journal
from scheduler.transactions.proofs import Proof
from scheduler.transactions.rules import RuleBook, Tightening
from scheduler.transactions.states import IntentState, Purpose
from tests.chain.faults import Message, Relay
from tests.transactions.rig import Bench, Office, later, office, rules_for

GWEI = 10**9
STRANGER = "0x" + "5a" * 20
SCHEDULER = Path(__file__).parents[2] / "scheduler"


@pytest.fixture
def at(on_anvil: Office) -> Office:
    on_anvil.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    on_anvil.bench.mine()
    return on_anvil


@pytest.fixture(scope="module")
def unlocked(anvil_bench: Bench) -> str:
    """One account for all tests here that leave nothing pending: anvil has unlocked only ten."""
    return next(anvil_bench.unlocked)


@pytest.fixture
async def node_signs(anvil_bench: Bench, tmp_path: Path, unlocked: str) -> AsyncIterator[Office]:
    """The account is the node's, which signs only what it sends."""
    async with office(anvil_bench, tmp_path / "journal.db", unlocked) as opened:
        opened.node.signs = False
        yield opened


def refusals(opened: Office) -> list[tuple[str, str]]:
    """Of which intents the family was told that they are not signed, and why."""
    return [(key, told.reason) for key, told in opened.family.heard if isinstance(told, Unsigned)]


def change(opened: Office, table: str, column: str, value: object) -> None:
    """As somebody who can write the journal's file would."""
    with sqlite3.connect(opened.path) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", [value])
    connection.close()


async def too_dear(opened: Office, blocks: int) -> None:
    for _ in range(blocks):
        opened.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        opened.bench.mine()
        await opened.turn()


async def test_what_the_family_does_not_recognise_is_not_signed_and_the_rest_is(at: Office) -> None:
    at.family.strangers = {at.bench.reverter}
    at.want(at.wish("theirs", to=at.bench.reverter), at.wish("ours"))
    await at.turn()
    why = f"nothing proves that {at.bench.reverter} belongs to tests"
    assert refusals(at) == [("theirs", why)]
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["ours"]
    await at.until_mined("ours")
    assert at.bench.nonce(at.address) == 1
    assert at.journal.intent_states(["theirs"]) == {}


async def test_what_the_family_does_not_recognise_is_simulated_with_the_first_head_alone(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can forge events must not keep the node busy; the rest is tried without it."""
    simulate = at.node.simulate
    tried: list[list[str]] = []

    async def noted(calls: Sequence[Call], **aim: Any) -> Any:
        tried.append([call.to for call in calls])
        return await simulate(calls, **aim)

    monkeypatch.setattr(at.node, "simulate", noted, raising=False)
    at.family.strangers = {at.bench.reverter}
    at.want(at.wish("theirs", to=at.bench.reverter), at.wish("ours", max_cost=0))
    for _ in range(3):
        await at.mine_and_turn()
    both, ours = [at.bench.reverter, at.bench.counter], [at.bench.counter]
    assert tried == [both, ours, ours, ours]


async def test_what_no_rule_allows_is_not_signed_whatever_the_family_says(at: Office) -> None:
    at.want(at.wish("transfer", to=STRANGER, data=b"", value=1), at.wish("ours"))
    await at.turn()
    why = f"no rule of the family tests allows a plain transfer to {STRANGER}"
    assert refusals(at) == [("transfer", why)]
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["ours"]


async def test_a_family_is_asked_once_for_each_intent_however_long_it_waits(at: Office) -> None:
    """Intents that are due and not worth sending stay so for many heads."""
    at.want(at.wish("poor", max_cost=0), at.wish("poor too", max_cost=0))
    for _ in range(3):
        await at.mine_and_turn()
    at.want(*at.family.wishes, at.wish("new", max_cost=0))
    for _ in range(2):
        await at.mine_and_turn()
    assert at.family.asked == [["poor", "poor too"], ["new"]]
    assert at.open_attempts() == []


async def test_the_proof_is_in_the_journal_and_serves_after_a_restart(at: Office) -> None:
    head = await at.head()
    at.want(at.wish())
    await at.send_due()
    proof = at.journal.mandates(["one"])["one"].proof
    assert proof is not None
    assert (proof.says, proof.block, proof.block_hash) == (
        "the test says so",
        head.number,
        head.hash,
    )
    # Somebody else's transaction takes its nonce, so it is planned and sent again.
    [lost] = at.open_attempts()
    at.bench.endpoint.request("anvil_dropTransaction", lost.hash)
    at.bench.endpoint.request("anvil_setNonce", at.address, "0x1")
    head = await at.head()
    at.journal.displaced(at.desk.account, lost, "0x" + "5a" * 32, head.number, head.hash)
    back = later(at)
    await back.turn()
    assert back.family.asked == []
    assert [attempt.nonce for attempt in back.open_attempts()] == [1]
    await back.until_mined()
    assert at.hits == 1


async def test_a_transfer_of_nothing_to_oneself_needs_no_proof(at: Office) -> None:
    at.family.strangers = {at.address}
    own = at.wish("own", to=at.address, data=b"", gas=21_000, worth_sending=frozenset())
    fee = DynamicFee(2 * GWEI, 1)
    draft = Draft(own.told, at.desk.transaction(own, 0, fee))
    assert at.desk.signer.objections([draft]) == [None]
    with_data = replace(own, data=b"\0")
    assert at.desk.signer.objections([Draft(own.told, at.desk.transaction(with_data, 0, fee))]) == [
        "no rule of the family tests allows the function 0x00 to " + at.address
    ]


CHANGES = {
    "the recipient": ("intents", "recipient", STRANGER),
    "the data": ("intents", "data", b"\xde\xad\xbe\xef"),
    "the value": ("intents", "value", "1"),
    "the params": ("intents", "params", '{"name": "another"}'),
    "no proof": ("intents", "proof", None),
    "another proof": ("intents", "proof", Proof("so", 1, "0x", "5a" * 32).as_text()),
    "no proof at all": ("intents", "proof", '{"says": "trust me"}'),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_changed_row_is_not_signed_for_again(
    at: Office, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    at.want(at.wish(last_block=(await at.head()).number + 8))
    await at.turn()
    change(at, *CHANGES[what])
    caplog.set_level(logging.WARNING)
    await too_dear(at, 6)
    assert len(at.open_attempts()) == 1
    said = [r.getMessage() for r in caplog.records if "no further price" in r.getMessage()]
    assert len(said) == 1
    # Its nonce is freed in good draft.
    await too_dear(at, 4)
    assert at.open_attempts()[-1].purpose is Purpose.CANCEL
    for _ in range(5):
        await at.mine_and_turn()
    assert at.open_attempts() == []
    assert at.hits == 0
    assert at.journal.intent_states(["one"]) == {"one": IntentState.EXPIRED}


@pytest.mark.parametrize("field", ["to", "data", "value"])
async def test_a_changed_transaction_is_not_signed_for_again(at: Office, field: str) -> None:
    """The further price is built from what the attempt's row has."""
    at.want(at.wish())
    await at.turn()
    [attempt] = at.open_attempts()
    other = {"to": at.bench.reverter, "data": "0xdeadbeef", "value": "0x1"}
    change_fields(at, attempt, **{field: other[field]})
    await too_dear(at, 6)
    with sqlite3.connect(at.path) as connection:
        acting = connection.execute("SELECT id FROM attempts WHERE purpose = 'act'").fetchall()
    connection.close()
    assert acting == [(attempt.id,)]


def change_fields(opened: Office, attempt: Attempt, **fields: str) -> None:
    change(opened, "attempts", "fields", json.dumps({**attempt.fields, **fields}))


async def test_the_journal_gives_each_intent_its_own_proof(at: Office) -> None:
    """The proof of one intent, copied to another's row, proves nothing."""
    at.want(at.wish("a"), at.wish("b", to=at.bench.reverter, worth_sending=frozenset()))
    await at.turn()
    proof = at.journal.mandates(["a"])["a"].proof
    assert proof is not None
    other = at.wish("b")
    transaction = at.desk.transaction(other, 0, DynamicFee(2 * GWEI, 1))
    assert at.desk.signer.objections([Draft(other.told, transaction, proof)]) == [
        f"nothing proves that {other.to} belongs to tests"
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"to": STRANGER},
        {"data": "0xdeadbeef"},
        {"value": "0x1"},
        {"nonce": "0x63"},
        {"from": STRANGER},
        {"accessList": "[]"},
        {"gas": "much"},
    ],
    ids=str,
)
async def test_a_node_is_not_asked_to_sign_a_changed_request(
    node_signs: Office, fields: Mapping[str, str]
) -> None:
    """Asking a node to sign and send is signing, also when it is asked again after a restart."""
    at = node_signs
    at.want(at.wish())
    at.node.unreachable = True
    await at.turn()
    [attempt] = at.open_attempts()
    change_fields(at, attempt, **fields)
    at.node.unreachable = False
    back = later(at)
    for _ in range(2):
        with suppress(NotYet):
            await back.turn()
        back.bench.mine()
    assert at.node.requested == []
    with pytest.raises(NotAllowed, match="is not signed"):
        await at.desk.signer.send(at.open_attempts()[0])


async def test_an_unchanged_request_is_repeated_after_a_restart(node_signs: Office) -> None:
    at = node_signs
    before = at.hits
    at.want(at.wish())
    at.node.unreachable = True
    await at.turn()
    at.node.unreachable = False
    back = later(at)
    await back.turn()
    await back.until_mined()
    assert at.hits == before + 1


async def test_the_operator_s_ceiling_holds_for_further_prices_too(at: Office) -> None:
    first = at.wish()
    at.want(first)
    await at.turn()
    [attempt] = at.open_attempts()
    strict = later(at, signer=_stricter(at, max_gas_cost=100_000 * 100 * GWEI))
    for _ in range(5):
        at.bench.endpoint.request("anvil_setNextBlockBaseFeePerGas", hex(500 * GWEI))
        at.bench.mine()
        await strict.turn()
    assert strict.open_attempts() == [attempt]
    await strict.until_mined()
    assert at.hits == 1


def _stricter(opened: Office, **limits: Any) -> guard.Guard:
    rules = rules_for(opened.bench.counter)._rules
    signer = opened.desk.signer._signer
    return guard.Guard(
        signer, opened.desk.node, RuleBook(rules, Tightening(**limits)), opened.journal
    )


async def test_a_stop_that_comes_with_the_signature_is_not_lost(at: Office) -> None:
    """`asyncio.wait_for` of Python 3.10 and 3.11 answered the signature, and the stop was gone."""

    class Stopping:
        address = at.address

        async def sign(self, transactions: object) -> list[Signed | None]:
            asked.cancel()
            return []

    stopped = guard.Guard(Stopping(), at.desk.node, rules_for(), at.journal)
    asked = asyncio.ensure_future(stopped.sign([]))
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_a_signer_that_takes_too_long_is_given_up_and_locks_nothing(
    at: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sleeps:
        """As a node whose clef waits for somebody to approve."""

        address = at.address

        async def sign(self, transactions: object) -> list[Any]:
            other = Journal.open(at.path)
            other.admit(replace(at.desk.account, address=STRANGER))
            other.close()
            await asyncio.Event().wait()
            return []

    monkeypatch.setattr(guard, "TIME_LIMIT", 0.2)
    late = guard.Guard(Sleeps(), at.desk.node, rules_for(at.bench.counter), at.journal)
    slow = later(at, signer=late)
    slow.want(slow.wish())
    with pytest.raises(NotYet, match=r"nothing was signed within 0\.2 seconds"):
        await slow.turn()
    assert slow.open_attempts() == []
    at.want(at.wish())
    await at.turn()
    await at.until_mined()
    assert at.hits == 1


@pytest.fixture
async def over_a_proxy(
    anvil_bench: Bench, tmp_path: Path, unlocked: str
) -> AsyncIterator[tuple[Relay, Office]]:
    """The account is the node's, and something on the wire to it changes what the node says."""
    async with Relay(anvil_bench.node.ws).running() as relay:
        bench = copy(anvil_bench)
        bench.way = relay.url
        async with office(bench, tmp_path / "journal.db", unlocked) as opened:
            yield relay, opened


async def test_an_old_signature_in_the_place_of_a_new_one_is_caught(
    over_a_proxy: tuple[Relay, Office],
) -> None:
    """It is the right account's, for the right contract: only its nonce is another."""
    relay, at = over_a_proxy
    before = at.hits
    signatures: list[str] = []

    def replays(message: Message) -> Message:
        result = message.get("result")
        if isinstance(result, str) and result.startswith("0x02f8"):
            signatures.append(result)
            return {**message, "result": signatures[0]}
        return message

    relay.edit = replays
    at.want(at.wish("first"))
    await at.turn()
    at.want(at.wish("second"))
    with pytest.raises(NotYet, match="the node does not sign what it is asked to"):
        await at.turn()
    assert len(signatures) == 2
    assert [attempt.intent.key for attempt in at.open_attempts()] == ["first"]
    relay.edit = lambda message: message
    await at.until_mined("first")
    await at.until_mined("second")
    assert at.hits == before + 2


async def test_a_signature_that_never_comes_holds_up_no_later_one(
    over_a_proxy: tuple[Relay, Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, at = over_a_proxy
    before = at.hits
    at.want(at.wish())
    relay.withholds = {"eth_signTransaction"}
    with monkeypatch.context() as patch:
        patch.setattr(guard, "TIME_LIMIT", 0.5)
        with pytest.raises(NotYet, match=r"nothing was signed within 0\.5 seconds"):
            await at.turn()
    assert at.open_attempts() == []
    relay.withholds = set()
    await at.until_mined()
    assert at.hits == before + 1


def test_no_path_leads_to_a_key_but_through_the_guard() -> None:
    """Who calls what signs, by file: the guard, the signers that it holds, and the node itself."""
    callers: dict[str, set[str]] = {}
    for path in SCHEDULER.rglob("*.py"):
        if "devchain" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                callers.setdefault(name, set()).add(path.name)
    assert callers["send_transaction"] == {"guard.py"}
    assert callers["sign_transactions"] == {"signers.py"}
    assert callers["Pen"] <= {"encoding.py", "signers.py"}
    for name in callers["sign"] - {"encoding.py", "guard.py", "signers.py"}:
        text = (SCHEDULER / "transactions" / name).read_text()
        assert text.count(".sign(") == text.count("desk.signer.sign(")
