"""What can be known of a box at one moment, as values.

What could not be read is None, and `Facts.unread` says why. As JSON (`scheduler status --json`) the
names are these; amounts are texts of decimal digits, since wei outgrow the numbers of JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import PlainSerializer

from scheduler.agenda import Appointment
from scheduler.health import State

Wei = Annotated[int, PlainSerializer(str, return_type=str)]
"""An amount; a text in JSON."""

Seconds = float
"""A length of time, or a moment since the epoch."""


@dataclass(frozen=True, slots=True)
class Configured:
    """What the configuration says of the box. `endpoint` is the node's, without secrets; `programs`
    are those that it should run, `network` None for the node's own."""

    network: str | None
    endpoint: str
    second_endpoint: str | None
    journal: str
    signer: str
    programs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is wrong.

    `head_age`, `slot_age` and `clock_offset` in seconds; `gas_days` is for how many days the
    balance should do, `balance` what the account should have at the least.
    """

    head_age: Seconds
    slot_age: Seconds
    clock_offset: Seconds
    gas_days: float
    balance: Wei


@dataclass(frozen=True, slots=True)
class Sync:
    """How far a node that catches up is; `percent` of 100, `seconds_left` None before two looks."""

    current: int
    highest: int
    percent: float
    seconds_left: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """The node. `chain_ids` are those that the configured network has, empty for any.

    `head_age` is how much older its newest block is than this box's clock says; `still_for` how
    long ago whoever looks saw that block first, None where nobody looked before. `peers` is None
    where the node does not say.
    """

    endpoint: str
    kind: str
    version: str
    chain_id: int
    chain_ids: tuple[int, ...]
    network: str
    development: bool
    chain: str | None
    head_number: int
    head_hash: str
    head_timestamp: int
    head_age: Seconds
    still_for: Seconds | None
    peers: int | None
    sync: Sync | None


@dataclass(frozen=True, slots=True)
class SecondNode:
    """Another node beside ours: how many blocks it is `ahead`, and whether it has our block at
    `compared_at`; `agrees` is None where it does not have one there."""

    endpoint: str
    chain_id: int
    head_number: int
    ahead: int
    compared_at: int
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Account:
    """Whose transactions are sent; amounts in wei.

    `latest` and `pending` are its next nonces by the chain and by the node's pool, `next_nonce` by
    the journal, None where that has none. `transfer_cost` is what the simplest transaction costs
    now. `per_day` is what left it for gas in a day, in the mean of the last week; `days_left` for
    how many such days its balance does, None where nothing left.
    `custodian` is the process that looks after slots whose program is gone.
    """

    address: str
    balance: Wei
    latest: int
    pending: int
    next_nonce: int | None
    transfer_cost: Wei
    per_day: Wei
    days_left: float | None
    custodian: str | None


@dataclass(frozen=True, slots=True)
class Process:
    """What supervisord says of a program; `started_at` and `pid` are None while it does not run."""

    state: str
    description: str
    pid: int | None
    started_at: Seconds | None
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long it took from a head until what was due at it had left, as a histogram: so many took
    at most so many seconds (`buckets`, cumulative, keyed by the bound as a text)."""

    buckets: Mapping[str, int]
    count: int
    total: Seconds


@dataclass(frozen=True, slots=True)
class Life:
    """The last sign of life of a program (scheduler.pulse, scheduler.health).

    `running`: its process is there; `fresh`: it is of just now as well. `counts` is what it has in
    hand; `refused` how often something due was not sent since a simulation was against it. `mode`
    is the setting of that name, `agenda` what is next.
    """

    pid: int
    running: bool
    fresh: bool
    started_at: Seconds
    looped_at: Seconds
    account: str | None
    head_number: int | None
    head_timestamp: int | None
    trouble: str | None
    state: State
    since: Seconds
    wrong: tuple[str, ...]
    exceptions: int
    pokes: int
    counts: Mapping[str, int]
    refused: int = 0
    latency: Latency | None = None
    mode: str = "live"
    agenda: tuple[Appointment, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an intent ended: its key, its kind of outcome (scheduler.transactions.states)."""

    intent: str
    kind: str
    detail: str
    is_final: bool
    judged_at: Seconds


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the box. `expected`: it should be at work, so one that is not is a fault.

    `done` and `failed` are its mined transactions by what the journal has of them, `last` its
    newest outcome. `holders` are the boxes and processes that have its leases, so may act as it,
    where several boxes share the journal.
    """

    name: str
    expected: bool
    process: Process | None
    life: Life | None
    in_flight: int
    done: int
    failed: int
    last: Outcome | None
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A nonce that was given out, and what will consume it is not final; `mined`: it is mined."""

    account: str
    nonce: int
    program: str
    intent: str | None
    created_at: Seconds
    age: Seconds
    mined: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What the operator holds back: a program's name or `all`."""

    scope: str
    mode: str
    since: Seconds
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """An account from which nothing new is sent, and why: `new` or `behind`."""

    account: str
    why: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many mined transactions of a family ended in this way."""

    family: str
    outcome: str
    number: int


@dataclass(frozen=True, slots=True)
class Journal:
    """What the journal has; sizes in bytes, 0 of a database, amounts in wei.

    `turns` is None where a writer gets its turn, else what keeps it. `intents` counts by state,
    `violations` what must be zero by what it is. `losses` are the mined transactions of the last 24
    hours that did nothing or lost something. `highest_head` is the highest block that it was
    written at; `strangers` is how many of the account's nonces were used by what it does not know.
    """

    path: str
    size: int
    wal_size: int
    turns: str | None
    highest_head: int | None
    intents: Mapping[str, int]
    outcomes: tuple[Tally, ...]
    open_slots: tuple[OpenSlot, ...]
    suspended: tuple[str, ...]
    quarantines: tuple[Quarantine, ...]
    holds: tuple[Held, ...]
    open_orders: int
    losses: int
    strangers: int
    fees_paid: Wei
    earned: Wei
    violations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system, by something that is on it; sizes in bytes. Below `least` free, the node is
    stopped (provision/disk-guard)."""

    path: str
    what: str
    size: int
    free: int
    least: int
    free_inodes: int | None
    read_only: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """This box's clock. `synchronised` is what the kernel says of it; `offset` by how many seconds
    it is ahead, by `source`: a time server, or the blocks that come; None where nothing tells."""

    synchronised: bool | None
    offset: Seconds | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes; `available` without swapping."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class PrivateFile:
    """A file or directory that others must not read or change; `mode` as octal digits.

    `missing`: it is not there. `wanted` is the mode that it should have, `is_directory` what it is.
    """

    path: str
    what: str
    missing: bool
    mode: str | None
    owner: str | None
    wanted: str
    exposed: bool
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether what is sent somewhere arrives: `why` is None where it does."""

    channel: str
    taken_at: Seconds | None
    why: str | None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something wrong that was told, and has not ended: the check, since when, and the reason."""

    check: str
    since: Seconds
    reason: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened: an alert that began or ended, or the end of a process.

    `about` is a check's name or a program's.
    """

    at: Seconds
    kind: Literal["began", "ended", "exited", "backoff", "fatal"]
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Monitor:
    """What scheduler-monitor left beside the journal: `running` whether it does now."""

    running: bool
    looped_at: Seconds | None
    alerts: tuple[Alert, ...]
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `unread` says of each part that could not be read why, by its name here."""

    read_at: Seconds
    configured: Configured
    limits: Limits
    node: Node | None = None
    second: SecondNode | None = None
    account: Account | None = None
    programs: tuple[Program, ...] | None = None
    journal: Journal | None = None
    disks: tuple[Disk, ...] | None = None
    clock: Clock | None = None
    memory: Memory | None = None
    files: tuple[PrivateFile, ...] | None = None
    deliveries: tuple[Delivery, ...] | None = None
    monitor: Monitor | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
