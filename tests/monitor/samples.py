"""Facts of a box on which all is well, to be changed in one place by a test."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scheduler.health import State
from scheduler.operations.facts.model import (
    Account,
    Clock,
    Configured,
    Delivery,
    Disk,
    Facts,
    Journal,
    Latency,
    Life,
    Limits,
    Memory,
    Monitor,
    Node,
    OpenSlot,
    PrivateFile,
    Process,
    Program,
    SecondNode,
    Tally,
)
from scheduler.operations.monitor.alerts import Kind, Message

NOW = 1_800_000_000.0
ETHER = 10**18
ADDRESS = "0x" + "12" * 20

NODE = Node(
    endpoint="http://127.0.0.1:8545",
    kind="geth",
    version="Geth/v1.16.7",
    chain_id=11155111,
    chain_ids=(11155111,),
    network="sepolia",
    development=False,
    chain="0123456789abcdef",
    head_number=1000,
    head_hash="0x" + "ab" * 32,
    head_timestamp=int(NOW) - 5,
    head_age=5.0,
    still_for=3.0,
    peers=25,
    sync=None,
)

LIFE = Life(
    pid=4711,
    running=True,
    fresh=True,
    started_at=NOW - 3600,
    looped_at=NOW - 1,
    account=ADDRESS,
    head_number=1000,
    head_timestamp=int(NOW) - 5,
    trouble=None,
    state=State.HEALTHY,
    since=NOW - 3600,
    wrong=(),
    exceptions=2,
    pokes=0,
    counts={"tracked": 3, "due": 1},
    refused=4,
    latency=Latency({"0.1": 5, "1.0": 7}, 8, 3.5),
)

PROGRAM = Program(
    name="scheduler",
    expected=True,
    process=Process("RUNNING", "pid 4711, uptime 1:00:00", 4711, NOW - 3600, None),
    life=LIFE,
    in_flight=1,
    done=10,
    failed=1,
    last=None,
)

JOURNAL = Journal(
    path="/data/scheduler/journal.db",
    size=2**20,
    wal_size=0,
    turns=None,
    highest_head=999,
    intents={"succeeded": 10, "in_slot": 1},
    outcomes=(Tally("alarm", "succeeded", 10), Tally("alarm", "no_effect", 1)),
    open_slots=(OpenSlot(ADDRESS, 11, "scheduler", "alarm:1", NOW - 20, 20.0, False),),
    suspended=(),
    quarantines=(),
    holds=(),
    open_orders=0,
    losses=0,
    strangers=0,
    fees_paid=ETHER // 10,
    earned=ETHER // 5,
    violations={"done_twice": 0},
)

WELL = Facts(
    read_at=NOW,
    configured=Configured(
        network="sepolia",
        endpoint="http://127.0.0.1:8545",
        second_endpoint="https://rpc.example.org",
        journal="/data/scheduler/journal.db",
        signer="keystore",
        programs=("scheduler",),
    ),
    limits=Limits(head_age=120.0, slot_age=600.0, clock_offset=15.0, gas_days=7.0, balance=0),
    node=NODE,
    second=SecondNode("https://rpc.example.org", 11155111, 1001, 1, 997, True),
    account=Account(
        address=ADDRESS,
        balance=ETHER,
        latest=11,
        pending=12,
        next_nonce=12,
        transfer_cost=21_000 * 10**9,
        per_day=ETHER // 100,
        days_left=100.0,
        custodian="process 4711 (scheduler.launch scheduler) of user 999",
    ),
    programs=(PROGRAM,),
    journal=JOURNAL,
    disks=(Disk("/data", "the journal", 100 * 10**9, 50 * 10**9, 5 * 10**9, 10**6, False),),
    clock=Clock(True, 0.1, "time.example.org"),
    memory=Memory(8 * 10**9, 4 * 10**9),
    files=(
        PrivateFile("/etc/key", "the key file", False, "0600", "scheduler", "0600", False),
        PrivateFile("/data", "the journal's directory", False, "0755", "me", "0755", False, True),
    ),
    deliveries=(Delivery("webhook", NOW - 60, None), Delivery("heartbeat moc", NOW - 9, None)),
    monitor=Monitor(True, NOW - 1, (), ()),
)

BARE = Facts(read_at=NOW, configured=WELL.configured, limits=WELL.limits)


MESSAGE = Message(
    Kind.BEGAN, "node.head", "new blocks come", NOW, NOW, "no new block for 70 s", "restart it", "p"
)
OVER = Message(Kind.ENDED, "node.head", "new blocks come", NOW + 300, NOW, "block 7, 1 s old")


def but(part: str, **changes: Any) -> Facts:
    """All is well, but for these fields of one part."""
    return replace(WELL, **{part: replace(getattr(WELL, part), **changes)})


def program(**changes: Any) -> Facts:
    """The same for the one program."""
    return replace(WELL, programs=(replace(PROGRAM, **changes),))


def unread(**reasons: str) -> Facts:
    """Parts that could not be read, with the reason."""
    known = {name: None for name in reasons if hasattr(WELL, name)}
    return replace(WELL, **known, unread=dict(reasons))  # type: ignore[arg-type]


def levels(findings: Any) -> Mapping[str, str]:
    return {each.check: each.level.value for each in findings}
