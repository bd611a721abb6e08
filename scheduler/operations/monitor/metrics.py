"""What Prometheus reads: each metric declared once, with where its values come from. Pure.

docs/metrics.md lists them all, and a test compares. Names and units follow Prometheus' own practice
(its docs, "Metric and label naming"): base units, `_total` behind what only grows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from scheduler.health import State
from scheduler.operations.checks.model import Level
from scheduler.operations.facts.model import Account, Disk, Facts, Journal, Life, Node, Program
from scheduler.operations.status import Status
from scheduler.transactions.journal.overview import DAY_SECONDS

_ETHER = 10**18

# supervisord's (its docs, "Process States").
_STATES = ("STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN")

Sample: TypeAlias = tuple[tuple[str, ...], float]
Read: TypeAlias = Callable[[Status], Iterable[Sample]]


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric: its name, what it says, its labels, and its values in a status."""

    name: str
    help: str
    read: Read
    labels: tuple[str, ...] = ()
    is_counter: bool = False

    def family(self, status: Status) -> Metric:
        """As prometheus_client exposes it."""
        kind = CounterMetricFamily if self.is_counter else GaugeMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in self.read(status):
            family.add_metric(labels, value)
        return family


def _of_node(value: Callable[[Node], float | None]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        found = None if status.facts.node is None else value(status.facts.node)
        if found is not None:
            yield (), found

    return read


def _of_account(value: Callable[[Account], float | None]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        account = status.facts.account
        found = None if account is None else value(account)
        if account is not None and found is not None:
            yield (account.address,), found

    return read


def _of_journal(value: Callable[[Journal], float]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        if status.facts.journal is not None:
            yield (), value(status.facts.journal)

    return read


def _of_programs(value: Callable[[Program], float | None]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        for program in status.facts.programs or ():
            found = value(program)
            if found is not None:
                yield (program.name,), found

    return read


def _of_lives(value: Callable[[Life], float | None]) -> Read:
    return _of_programs(lambda program: None if program.life is None else value(program.life))


def _of_disks(value: Callable[[Disk], float]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        for disk in status.facts.disks or ():
            yield (disk.path,), value(disk)

    return read


def _of_facts(value: Callable[[Facts], float | None]) -> Read:
    def read(status: Status) -> Iterator[Sample]:
        found = value(status.facts)
        if found is not None:
            yield (), found

    return read


def _nonces(status: Status) -> Iterator[Sample]:
    account = status.facts.account
    if account is not None:
        yield (account.address, "latest"), account.latest
        yield (account.address, "pending"), account.pending


def _states(status: Status) -> Iterator[Sample]:
    for program in status.facts.programs or ():
        if program.process is not None:
            for state in _STATES:
                yield (program.name, state), float(program.process.state == state)


def _counts(status: Status) -> Iterator[Sample]:
    for program in status.facts.programs or ():
        for what, number in (program.life.counts if program.life else {}).items():
            yield (program.name, what), number


def _intents(status: Status) -> Iterator[Sample]:
    if status.facts.journal is not None:
        for state, number in status.facts.journal.intents.items():
            yield (state,), number


def _outcomes(status: Status) -> Iterator[Sample]:
    if status.facts.journal is not None:
        for tally in status.facts.journal.outcomes:
            yield (tally.family, tally.outcome), tally.number


def _violations(status: Status) -> Iterator[Sample]:
    if status.facts.journal is not None:
        for name, number in status.facts.journal.violations.items():
            yield (name,), number


def _checks(status: Status) -> Iterator[Sample]:
    for finding in status.checks:
        for level in Level:
            yield (finding.check, level.value), float(finding.level is level)


def _deliveries(status: Status) -> Iterator[Sample]:
    for each in status.facts.deliveries or ():
        yield (each.channel,), float(each.why is None)


def _alerts(status: Status) -> Iterator[Sample]:
    if status.facts.monitor is not None:
        yield (), len(status.facts.monitor.alerts)


DECLARED = (
    Declared(
        "scheduler_check_status",
        "1 at the level that a check is at: ok, warn, fail, or unknown",
        _checks,
        ("check", "level"),
    ),
    Declared(
        "scheduler_node_up",
        "Whether the node answers",
        _of_facts(lambda facts: float(facts.node is not None)),
    ),
    Declared(
        "scheduler_node_head_block",
        "Number of the node's newest block",
        _of_node(lambda node: node.head_number),
    ),
    Declared(
        "scheduler_node_head_timestamp_seconds",
        "Time of the node's newest block",
        _of_node(lambda node: node.head_timestamp),
    ),
    Declared(
        "scheduler_node_head_limit_seconds",
        "Age from which on the network's newest block is late",
        _of_facts(lambda facts: facts.limits.head_age),
    ),
    Declared("scheduler_node_peers", "The node's peers", _of_node(lambda node: node.peers)),
    Declared(
        "scheduler_node_syncing",
        "Whether the node says that it is behind",
        _of_node(lambda node: float(node.sync is not None)),
    ),
    Declared(
        "scheduler_node_sync_ratio",
        "How much of the chain the node has, from 0 to 1",
        _of_node(lambda node: 1.0 if node.sync is None else node.sync.percent / 100),
    ),
    Declared(
        "scheduler_account_balance_ether",
        "What the account has",
        _of_account(lambda account: account.balance / _ETHER),
        ("account",),
    ),
    Declared(
        "scheduler_account_nonce",
        "The account's next nonce, by the chain (latest) and with the node's pool (pending)",
        _nonces,
        ("account", "state"),
    ),
    Declared(
        "scheduler_account_gas_left_seconds",
        "For how long the balance does, at what gas cost in the last week",
        _of_account(
            lambda account: None if account.days_left is None else account.days_left * DAY_SECONDS
        ),
        ("account",),
    ),
    Declared(
        "scheduler_open_slots",
        "Nonces that were given out and are not finally consumed",
        _of_journal(lambda journal: len(journal.open_slots)),
    ),
    Declared(
        "scheduler_oldest_open_slot_age_seconds",
        "For how long the oldest transaction that is not mined has waited; 0 where none waits",
        _of_journal(
            lambda journal: max(
                (slot.age for slot in journal.open_slots if not slot.mined), default=0.0
            )
        ),
    ),
    Declared("scheduler_intents", "Intents in the journal, by state", _intents, ("state",)),
    Declared(
        "scheduler_outcomes",
        "Intents that have ended, by family and outcome, also those forgotten since",
        _outcomes,
        ("family", "outcome"),
        is_counter=True,
    ),
    Declared(
        "scheduler_losses_last_day",
        "Transactions of the last 24 hours that did nothing, reverted, or lost a deposit",
        _of_journal(lambda journal: journal.losses),
    ),
    Declared(
        "scheduler_simulations_refused",
        "How often something due was not sent since a simulation was against it",
        _of_lives(lambda life: life.refused),
        ("program",),
        is_counter=True,
    ),
    Declared(
        "scheduler_fees_paid_ether",
        "What was paid for gas",
        _of_journal(lambda journal: journal.fees_paid / _ETHER),
        is_counter=True,
    ),
    Declared(
        "scheduler_earned_ether",
        "What came in, without deposits that came back",
        _of_journal(lambda journal: journal.earned / _ETHER),
        is_counter=True,
    ),
    Declared(
        "scheduler_invariant_violations",
        "What must be zero, by what it is",
        _violations,
        ("invariant",),
    ),
    Declared(
        "scheduler_suspended_intents",
        "Intents that only the operator may resume",
        _of_journal(lambda journal: len(journal.suspended)),
    ),
    Declared(
        "scheduler_quarantined_accounts",
        "Accounts from which nothing new is sent",
        _of_journal(lambda journal: len(journal.quarantines)),
    ),
    Declared(
        "scheduler_holds",
        "What the operator holds back: programs, or all",
        _of_journal(lambda journal: len(journal.holds)),
    ),
    Declared(
        "scheduler_journal_bytes",
        "Size of the journal, with what waits beside it",
        _of_journal(lambda journal: journal.size + journal.wal_size),
    ),
    Declared(
        "scheduler_journal_writable",
        "Whether a writer gets its turn",
        _of_journal(lambda journal: float(journal.turns is None)),
    ),
    Declared(
        "scheduler_program_up",
        "Whether the program gave a sign of life just now",
        _of_lives(lambda life: float(life.fresh)),
        ("program",),
    ),
    Declared(
        "scheduler_program_state",
        "1 at the state that supervisord has the program in",
        _states,
        ("program", "state"),
    ),
    Declared(
        "scheduler_program_healthy",
        "Whether the program does all that it is for",
        _of_lives(lambda life: float(life.state is State.HEALTHY)),
        ("program",),
    ),
    Declared(
        "scheduler_program_head_block",
        "Number of the last block that the program dealt with",
        _of_lives(lambda life: life.head_number),
        ("program",),
    ),
    Declared(
        "scheduler_program_last_loop_timestamp_seconds",
        "When the program's loop last turned",
        _of_lives(lambda life: life.looped_at),
        ("program",),
    ),
    Declared(
        "scheduler_program_exceptions",
        "How often the program did something in vain, or began to fail",
        _of_lives(lambda life: life.exceptions),
        ("program",),
        is_counter=True,
    ),
    Declared(
        "scheduler_program_work",
        "What the program has in hand, by what it is: tracked, due, in_flight, …",
        _counts,
        ("program", "what"),
    ),
    Declared(
        "scheduler_disk_free_bytes",
        "Free on the disk that this is on",
        _of_disks(lambda disk: disk.free),
        ("path",),
    ),
    Declared(
        "scheduler_disk_size_bytes",
        "Size of the disk that this is on",
        _of_disks(lambda disk: disk.size),
        ("path",),
    ),
    Declared(
        "scheduler_memory_available_bytes",
        "Memory that is available without swapping",
        _of_facts(lambda facts: None if facts.memory is None else facts.memory.available),
    ),
    Declared(
        "scheduler_clock_offset_seconds",
        "By how much the clock is ahead; missing where nothing tells",
        _of_facts(lambda facts: None if facts.clock is None else facts.clock.offset),
    ),
    Declared(
        "scheduler_delivery_up",
        "Whether what is sent somewhere arrives: alerts, the heartbeat",
        _deliveries,
        ("channel",),
    ),
    Declared("scheduler_alerts_open", "Alerts that have begun and not ended", _alerts),
    Declared(
        "scheduler_monitor_last_look_timestamp_seconds",
        "When all of this was read",
        _of_facts(lambda facts: facts.read_at),
    ),
)

LATENCY = "scheduler_head_to_broadcast_seconds"
_LATENCY_HELP = "From a head until what was due at it was handed to the node"


class StatusCollector(Collector):
    """Exposes the status that `latest` gives, None before the first look."""

    def __init__(self, latest: Callable[[], Status | None]) -> None:
        self._latest = latest

    def collect(self) -> Iterator[Metric]:
        status = self._latest()
        if status is None:
            return
        for declared in DECLARED:
            yield declared.family(status)
        yield _latency(status)

    def describe(self) -> Iterator[Metric]:
        """Nothing: prometheus_client would collect at registration otherwise."""
        return iter(())


def registry(latest: Callable[[], Status | None]) -> CollectorRegistry:
    """All that is exposed: the box's, and of this process what prometheus_client knows of any."""
    found = CollectorRegistry()
    found.register(StatusCollector(latest))
    ProcessCollector(registry=found)
    return found


def _latency(status: Status) -> Metric:
    family = HistogramMetricFamily(LATENCY, _LATENCY_HELP, labels=("program",))
    for program in status.facts.programs or ():
        latency = program.life.latency if program.life is not None else None
        if latency is None:
            continue
        buckets: list[tuple[str, float]] = [*latency.buckets.items(), ("+Inf", latency.count)]
        family.add_metric((program.name,), buckets, latency.total)
    return family
