"""What a program is to be: what a command hands to the program that it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.chain.model import Address
from scheduler.transactions.journal.location import Location, location_from

# The programs by their names: what a box runs; the alarm clock, and Money on Chain's jobs, as
# their users know them.
SCHEDULER = "scheduler"
ETH_ALARM = "eth_alarm"
MOC_JOBS = "moc_jobs"

# What supervisord calls the first on boxes that were set up by the first client's guide.
SCHEDULER_V6 = "scheduler-v6"
# What watches a box, and does nothing on a chain.
MONITOR = "scheduler-monitor"

# What watches a box, and does nothing on a chain.
MONITOR = "scheduler-monitor"

MOC_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "scheduler-liquidation": ("liquidation", "bucket_liquidation"),
    "scheduler-settlement": ("run_settlement",),
    "scheduler-payments": ("daily_inrate_payment", "pay_bitpro_holders"),
    "scheduler-prices": ("calculate_bma", "oracle_poke"),
}
"""Money on Chain's jobs as programs of their own, and which of the seven each does."""

PROGRAMS = (SCHEDULER, *MOC_PROGRAMS, ETH_ALARM, MOC_JOBS)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a program is to be, as the configuration and the command line settled it.

    `endpoint` is the node's (and may hold a secret), `network` is None and `contracts` are empty
    for what goes with the node's chain id, `account` is None for the node's first. `key_file` is
    None where the node signs. Prices in wei per gas. `budget` is what the section of that name
    sets, by its keys. `patient` programs wait for whatever can change outside. The next three are
    what the operator allows less than the rules, in wei. `key` is the private key in hexadecimal
    where it came from the environment. `journal` is a path, or the URL of a PostgreSQL database:
    then `journal_password_file` has its password, if it needs one, and `directory` what is for this
    box alone. What is final is kept in the journal for `keep_days`.
    `fallbacks` are the endpoints that are tried in turn when the first does not answer, `chain_id`
    what their chain must have, None for any; `remarks` are said when the program starts.
    `moc` is the MoC contract whose jobs are done, None for none, `moc_tasks` the settings of each
    (see scheduler.moc.jobs.Task); `jobs` are others, as they are declared. Those of `moc_tasks` in
    `left_to_others` are other programs' jobs: this one only looks after what these leave behind.
    `claiming` is how calls of the alarm clock are claimed, by the keys of its section; nothing is
    where it is empty. `cleanup` is whether calls of it that nobody executed are cleaned up.
    `clef` is the socket of the clef that signs, None where a node or a key does.
    `shadow`: it only says what it would send. `log_format` is that of scheduler.logs.
    `play`: what the account has is worth nothing, whatever its chain. `heartbeat` is what
    scheduler.heartbeat.settings.Settings takes; None where none is sent.
    """

    program: str
    endpoint: str
    network: str | None
    contracts: Sequence[Address]
    account: Address | None
    key_file: str | None
    password_file: str | None
    journal: str
    max_gas_price: int | None
    min_tip: int
    budget: Mapping[str, int | None]
    patient: bool
    max_value: int | None = None
    max_gas_cost: int | None = None
    recipients: tuple[Address, ...] | None = None
    key: str | None = field(default=None, repr=False)
    keep_days: int = 90
    moc: Address | None = None
    moc_tasks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    jobs: Sequence[Mapping[str, Any]] = ()
    left_to_others: Sequence[str] = ()
    fallbacks: Sequence[str] = ()
    chain_id: int | None = None
    remarks: Sequence[str] = ()
    claiming: Mapping[str, Any] = field(default_factory=dict)
    cleanup: bool = False
    clef: str | None = None
    log_format: str = "lines"
    shadow: bool = False
    play: bool = False
    heartbeat: Mapping[str, Any] | None = field(default=None, repr=False)
    journal_password_file: str | None = None
    directory: str | None = None

    def location(self) -> Location:
        """Where the journal is."""
        return location_from(self.journal, self.directory, self.journal_password_file)
