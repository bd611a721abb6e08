"""A node that holds the key signs what it is asked to, or sends what it is asked to: either way
the journal has it first, and it takes effect once."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from eth_keys.datatypes import PrivateKey

from scheduler.chain.errors import RpcError
from scheduler.devchain.accounts import receipt_of
from scheduler.errors import NotYet
from scheduler.transactions.encoding import sign
from scheduler.transactions.ladder import fee_of
from scheduler.transactions.states import AttemptState
from tests import nodes
from tests.transactions.rig import CONFIRMATIONS, Bench, Office, later, office


@pytest.fixture(scope="module", params=["anvil", "geth", "rskj"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """geth has one unlocked account, so its tests take turns and leave nothing pending."""
    with nodes.started(request.param) as node:
        bench = Bench(node)
        yield bench
        bench.endpoint.close()


@pytest.fixture
async def unlocked(bench: Bench, tmp_path: Path) -> AsyncIterator[Office]:
    """A sender for an account that the node has unlocked, and its effects so far."""
    account = next(bench.unlocked, bench.rich)
    bench.counter  # noqa: B018 - deployed before the account's nonces are looked at
    async with office(bench, tmp_path / "journal.db", account) as opened:
        yield opened


@pytest.fixture
def signing(unlocked: Office) -> Office:
    """The same, where the node signs without sending; rskj does not."""
    if unlocked.bench.stand_in:
        pytest.skip("rskj has no eth_signTransaction")
    return unlocked


async def test_bytes_that_the_node_signed_are_journaled_and_sent(signing: Office) -> None:
    unlocked = signing
    before = unlocked.hits
    unlocked.want(unlocked.wish())
    await unlocked.turn()
    [attempt] = unlocked.open_attempts()
    assert attempt.raw is not None
    assert unlocked.node.sent == [attempt.hash]
    await unlocked.until_mined()
    assert unlocked.hits == before + 1


@pytest.mark.parametrize(
    "edit",
    [
        {"maxFeePerGas": "0x77777777777"},
        {"maxPriorityFeePerGas": "0x7"},
        {"nonce": "0x99"},
        {"value": "0x1"},
        {"to": "0x" + "5a" * 20},
        {"data": "0xdeadbeef"},
        {"gas": "0x55555"},
    ],
    ids=str,
)
async def test_a_node_that_changes_a_field_while_signing_is_caught(
    signing: Office, edit: dict[str, str]
) -> None:
    unlocked = signing
    unlocked.node.edits = edit
    unlocked.want(unlocked.wish())
    with pytest.raises(NotYet, match="does not sign what it is asked to"):
        await unlocked.turn()
    assert unlocked.open_attempts() == []
    assert unlocked.node.sent == []


async def test_a_signature_of_another_account_is_caught(signing: Office) -> None:
    """The right transaction, signed by whom it was not asked of."""
    stranger = PrivateKey(b"\x5a" * 32)

    async def signs_as_another(wanted: Sequence[Mapping[str, str]]) -> list[bytes]:
        [fields] = wanted
        asked = signing.desk_transaction(
            nonce=int(fields["nonce"], 16),
            to=fields["to"],
            value=int(fields["value"], 16),
            gas=int(fields["gas"], 16),
            data=bytes.fromhex(fields["data"][2:]),
            fee=fee_of(fields),
        )
        return [sign(asked, stranger).raw]

    signing.node.sign_transactions = signs_as_another
    signing.want(signing.wish())
    with pytest.raises(NotYet, match="is not the one that was asked for"):
        await signing.turn()
    assert signing.open_attempts() == []


@pytest.mark.parametrize("answer", [b"", b"\x02", b"\x02\xc0", b"\xf8no transaction"], ids=repr)
async def test_what_is_no_transaction_at_all_is_caught(signing: Office, answer: bytes) -> None:
    async def answers(wanted: object) -> list[bytes]:
        return [answer]

    signing.node.sign_transactions = answers
    signing.want(signing.wish())
    with pytest.raises(NotYet, match="does not sign what it is asked to"):
        await signing.turn()
    assert signing.open_attempts() == []
    assert signing.node.sent == []


async def test_an_account_that_the_node_does_not_have_is_told(bench: Bench, tmp_path: Path) -> None:
    if bench.stand_in:
        pytest.skip("a node that signs only what it sends is asked for its accounts at the start")
    stranger = bench.key().public_key.to_address()
    async with office(bench, tmp_path / "journal.db", stranger) as opened:
        opened.want(opened.wish())
        with pytest.raises(NotYet, match=f"does not sign for {stranger}: .*; unlock the account"):
            await opened.turn()
        assert opened.open_attempts() == []


async def test_without_eth_sign_transaction_the_request_is_journaled_first(
    unlocked: Office,
) -> None:
    before = unlocked.hits
    unlocked.node.signs = False
    unlocked.want(unlocked.wish("a"), unlocked.wish("b"))
    await unlocked.turn()
    attempts = unlocked.open_attempts()
    assert [attempt.raw for attempt in attempts] == [None, None]
    assert [attempt.fields for attempt in attempts] == unlocked.node.requested
    assert all(attempt.hash for attempt in attempts)
    await unlocked.until_mined("a")
    await unlocked.until_mined("b")
    assert unlocked.hits == before + 2
    assert unlocked.family.story("a") == ["Attempting", "Accepted", "succeeded"]


async def test_a_request_that_did_not_arrive_is_repeated_unchanged(unlocked: Office) -> None:
    before = unlocked.hits
    unlocked.node.signs = False
    unlocked.node.unreachable = True
    unlocked.want(unlocked.wish())
    await unlocked.turn()
    [attempt] = unlocked.open_attempts()
    assert (attempt.state, attempt.hash) == (AttemptState.SIGNED, None)
    unlocked.node.unreachable = False
    restarted = later(unlocked)
    await restarted.until_mined()
    assert unlocked.node.requested == [attempt.fields]
    assert unlocked.hits == before + 1


@pytest.mark.parametrize("mined_meanwhile", [False, True], ids=["in the pool", "mined"])
async def test_a_lost_answer_is_found_on_the_chain_and_nothing_is_sent_twice(
    unlocked: Office, mined_meanwhile: bool
) -> None:
    before = unlocked.hits
    nonce = unlocked.bench.nonce(unlocked.address, "pending")
    unlocked.node.signs = False
    unlocked.node.answer_lost = True
    unlocked.want(unlocked.wish())
    await unlocked.send_due()
    [attempt] = unlocked.open_attempts()
    assert (attempt.state, attempt.hash) == (AttemptState.SIGNED, None)
    unlocked.node.answer_lost = False
    if mined_meanwhile:
        unlocked.bench.mine(2)
        assert unlocked.hits == before + 1
    restarted = later(unlocked)
    await restarted.until_mined()
    [found] = restarted.open_attempts()
    assert found.hash is not None
    assert receipt_of(unlocked.bench.endpoint, found.hash)["from"].lower() == unlocked.address
    # geth's pending block can be two seconds old: then the identical request is repeated.
    assert all(fields == attempt.fields for fields in unlocked.node.requested)
    if mined_meanwhile or unlocked.bench.is_anvil:
        assert len(unlocked.node.requested) == 1
    assert unlocked.hits == before + 1
    assert unlocked.bench.nonce(unlocked.address, "pending") == nonce + 1


async def test_a_bid_whose_hash_got_lost_is_found_though_a_later_one_has_its_own(
    unlocked: Office,
) -> None:
    """Nothing asked for it, and what the node had was taken for what the journal has: for ever."""
    before = unlocked.hits
    unlocked.node.signs = False
    unlocked.node.answer_lost = True
    unlocked.want(unlocked.wish())
    await unlocked.send_due()
    unlocked.bench.mine(2)
    [lost] = unlocked.open_attempts()
    assert (lost.hash, unlocked.hits) == (None, before + 1)
    unlocked.node.answer_lost = False
    sql = (
        "INSERT INTO attempts (chain, account, nonce, intent, purpose, fields, hash, state,"
        " head_number, created_at) SELECT chain, account, nonce, intent, purpose, fields, ?,"
        " 'broadcast', head_number, created_at FROM attempts WHERE id = ?"
    )
    with closing(sqlite3.connect(unlocked.path)) as connection, connection:
        connection.execute(sql, ("0x" + "77" * 32, lost.id))
    restarted = later(unlocked)
    await restarted.until_mined()
    await restarted.mine_and_turn(CONFIRMATIONS + 1)
    assert restarted.family.story("one")[-1] == "Settled"
    assert restarted.open_attempts() == []


async def test_a_node_that_refuses_the_request_is_asked_again(
    unlocked: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = unlocked.hits
    unlocked.node.signs = False

    async def refuses(_: object) -> str:
        raise RpcError(-32000, "authentication needed: password or unlock")

    unlocked.want(unlocked.wish())
    with monkeypatch.context() as patch:
        patch.setattr(unlocked.node, "send_transaction", refuses)
        await unlocked.turn()
    [attempt] = unlocked.open_attempts()
    assert attempt.hash is None
    await unlocked.until_mined()
    assert unlocked.hits == before + 1


async def test_a_reorg_repeats_the_identical_request(unlocked: Office) -> None:
    if not unlocked.bench.is_anvil:
        pytest.skip("geth --dev has no reorgs")
    before = unlocked.hits
    unlocked.node.signs = False
    endpoint = unlocked.bench.endpoint
    snapshot = endpoint.request("evm_snapshot")
    unlocked.want(unlocked.wish())
    await unlocked.turn()
    await unlocked.mine_and_turn()
    assert unlocked.hits == before + 1
    head = await unlocked.head()
    assert endpoint.request("evm_revert", snapshot)
    endpoint.request("anvil_setNextBlockTimestamp", hex(head.timestamp + 5))
    unlocked.bench.mine()
    await unlocked.turn(removed=[head])
    first, second = unlocked.node.requested
    assert first == second
    await unlocked.mine_and_turn()
    assert unlocked.hits == before + 1
    assert unlocked.family.story("one")[-1] == "succeeded"
