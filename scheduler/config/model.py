"""Every key of the configuration, with its kind and its default; docs/configuration.md is made of
it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from scheduler.config.fields import (
    AddressField,
    JournalField,
    PathField,
    RpcUrl,
    RpcUrls,
    WebUrl,
    Wei,
    host_and_port,
    in_words,
    listening_at,
    network_name,
    programs_of_a_box,
)
from scheduler.errors import Misconfigured
from scheduler.jobs import loading
from scheduler.moc.jobs import TASKS
from scheduler.plan import SCHEDULER
from scheduler.transactions.journal.location import Location, Remote

DEFAULT_ENDPOINT = "http://127.0.0.1:8545"

BOX_DATA = Path("/data/scheduler")
USER_DATA = Path("~/.local/share/scheduler-kit")

_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+")


# What a command line says, by the key that it sets.
_OPTIONS = {"rpc-url": "--rpchost, --rpcport or --ipcpath", "alarm": "--address"}


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )


class Keystore(_Section):
    """[keystore]: an encrypted key file, and the file whose first line is its password."""

    file: PathField
    password_file: PathField


class Clef(_Section):
    """[clef]: the socket of clef itself; None where geth asks it (--signer)."""

    ipc: PathField | None = None


class Fees(_Section):
    """[fees]: the highest price of a unit of gas, and the lowest tip, in wei."""

    max_gas_price: Wei | None = None
    min_tip: Wei = 0


class Budget(_Section):
    """[budget]: what the account may spend and lose in a UTC day, and leave, in wei; its slots."""

    urgent_per_day: Wei | None = None
    normal_per_day: Wei | None = None
    floor: Wei = 0
    loss_per_contract: Wei | None = None
    slots: Annotated[int, Field(ge=1, strict=True)] | None = None
    kept_slots: Annotated[int, Field(ge=0, strict=True)] | None = None


class Signing(_Section):
    """[signing]: what is never signed, though a family's rules would allow it; in wei."""

    max_value: Wei | None = None
    max_gas_cost: Wei | None = None
    recipients: tuple[AddressField, ...] | None = None


class Alarm(_Section):
    """[alarm]: the contracts to serve, none for the network's own; how calls are claimed, in wei,
    and whether those that nobody executed are cleaned up.

    The bounds on what is at risk are twice the deposit for a default payment of v0.7, and five
    times.
    """

    addresses: tuple[AddressField, ...] = ()
    claiming: Literal["seed", "profit", "never"] = "seed"
    claim_floor: Wei = 0
    claim_margin: Annotated[int, Field(ge=1, strict=True)] | None = None
    max_at_risk_per_call: Wei = 2 * 10**16
    max_at_risk_per_day: Wei = 5 * 10**16
    cleanup: Annotated[bool, Field(strict=True)] = True


def _jobs(values: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    names: set[str] = set()
    faults: list[str] = []
    for data in values:
        try:
            name = loading.job(data).name
        except loading.BadJob as error:
            faults.append(str(error))
            continue
        if name in names or name in TASKS:
            faults.append(f"{name}: there is another job of this name")
        names.add(name)
    if faults:
        raise ValueError("\n".join(faults))
    return values


class MocTask(_Section):
    """[moc.tasks.NAME]: a job of Money on Chain; what is not set is as its own program had it.

    `interval` in seconds, `gas_limit` in gas, `steps` in one transaction.
    """

    interval: Annotated[int, Field(ge=0, strict=True)] | None = None
    gas_limit: Annotated[int, Field(gt=21_000, strict=True)] | None = None
    steps: Annotated[int, Field(gt=0, strict=True)] | None = None


def _known_task(name: str) -> str:
    if name not in TASKS:
        raise ValueError(f"there is no such job; the seven are {', '.join(TASKS)}")
    return name


class Moc(_Section):
    """[moc]: the MoC contract whose jobs are done; all seven, or those of `tasks`.

    `split`: by programs of their own, not by the program `scheduler`.
    """

    address: AddressField | None = None
    split: bool = False
    tasks: dict[Annotated[str, AfterValidator(_known_task)], MocTask] | None = None

    def chosen(self) -> dict[str, dict[str, int]]:
        """The settings of the jobs to be done, as scheduler.moc.jobs.Task takes them."""
        found = {}
        own = self.tasks or {}
        for name in own or TASKS:
            task, standard = own.get(name, MocTask()), TASKS[name]
            found[name] = {
                "interval": standard.interval if task.interval is None else task.interval,
                "gas": task.gas_limit or standard.gas,
                "steps": task.steps or standard.steps,
            }
        return found


class Heartbeat(_Section):
    """[heartbeat]: seconds from one value in CloudWatch to the next, for moc_jobs."""

    interval: Annotated[int, Field(ge=1, strict=True)] = 60


class Email(_Section):
    """[monitor.email]: alerts by SMTP, from one address to others.

    `server` is HOST or HOST:PORT. With a `user` the connection is encrypted first, and the password
    is the first line of `password-file`.
    """

    server: Annotated[str, AfterValidator(host_and_port)]
    sender: Annotated[str, Field(min_length=3)]
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    user: str | None = None
    password_file: PathField | None = None

    @model_validator(mode="after")
    def _password_is_given(self) -> "Email":
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password-file go together: set both, or neither")
        return self


class AlertMetric(_Section):
    """[monitor.cloudwatch]: alerts as a metric of CloudWatch, 1 at their begin, 0 at their end."""

    region: Annotated[str, Field(min_length=1)]
    namespace: Annotated[str, Field(min_length=1)] = "scheduler-kit"


class Monitor(_Section):
    """[monitor]: what scheduler-monitor and `scheduler status` look at, and whom it tells.

    Amounts in wei; `slot_age` in seconds, None for what follows from the network.
    """

    page_address: Annotated[str, AfterValidator(listening_at)] = "127.0.0.1:9470"
    page_hosts: tuple[Annotated[str, AfterValidator(host_and_port)], ...] = ()
    page_token_file: PathField | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65_535, strict=True)] = 9469
    supervisor: PathField = Path("/var/run/supervisor.sock")
    second_rpc_url: RpcUrl | None = None
    time_server: Annotated[str, AfterValidator(host_and_port)] | None = None
    gas_days: Annotated[float, Field(ge=0)] = 7
    balance: Wei = 0
    slot_age: Annotated[int, Field(ge=1, strict=True)] | None = None
    ping_url: WebUrl | None = None
    webhook: WebUrl | None = None
    email: Email | None = None
    cloudwatch: AlertMetric | None = None

    @model_validator(mode="after")
    def _page_is_kept(self) -> "Monitor":
        if self.page_token_file is None and not _LOOPBACK.fullmatch(self.page_address):
            raise ValueError(
                f"page-address = {self.page_address} can be reached by others: write one on "
                "127.0.0.1, or set page-token-file"
            )
        return self


class Box(_Section):
    """[box]: what provision/setup.sh sets up on a machine; the programs do not read it."""

    node: Literal["geth", "rskj", "none"] | None = None
    programs: Annotated[tuple[str, ...], AfterValidator(programs_of_a_box)] = (SCHEDULER,)


class Settings(_Section):
    """Everything that can be set; each key has a default with which a box works.

    `rpc_url` are the nodes in the order of preference.
    """

    network: Annotated[str, AfterValidator(network_name)] | None = None
    rpc_url: RpcUrls = (DEFAULT_ENDPOINT,)
    account: AddressField | None = None
    signer: Literal["node", "keystore", "environment", "clef"] = "node"
    mode: Literal["live", "shadow"] = "live"
    journal: JournalField | None = None
    journal_password_file: PathField | None = None
    journal_keep_days: Annotated[int, Field(ge=7, strict=True)] = 90
    log_format: Literal["lines", "json"] = "lines"
    keystore: Keystore | None = None
    clef: Clef = Clef()
    fees: Fees = Fees()
    budget: Budget = Budget()
    signing: Signing = Signing()
    alarm: Alarm = Alarm()
    moc: Moc = Moc()
    heartbeat: Heartbeat = Heartbeat()
    monitor: Monitor = Monitor()
    jobs: Annotated[tuple[dict[str, Any], ...], AfterValidator(_jobs)] = ()
    box: Box = Box()

    @model_validator(mode="after")
    def _keystore_is_given(self) -> "Settings":
        if self.signer == "keystore" and self.keystore is None:
            raise ValueError(
                'signer = "keystore" needs a table [keystore] with file = "…" and '
                'password-file = "…"'
            )
        return self

    @model_validator(mode="after")
    def _password_is_for_a_database(self) -> "Settings":
        if self.journal_password_file is not None and not isinstance(self.journal, str):
            raise ValueError(
                "journal-password-file is for a journal in a PostgreSQL database; write "
                'journal = "postgresql://USER@HOST/DATABASE", or leave the file out'
            )
        return self

    @property
    def urls(self) -> list[tuple[str, str]]:
        """Those that are set, with their keys; they may hold secrets."""
        monitor = self.monitor
        found = {
            "monitor.second-rpc-url": monitor.second_rpc_url,
            "monitor.ping-url": monitor.ping_url,
            "monitor.webhook": monitor.webhook,
        }
        nodes = [("rpc-url", url) for url in self.rpc_url]
        return [*nodes, *((key, url) for key, url in found.items() if url is not None)]

    def with_overrides(self, **values: object) -> "Settings":
        """These settings with what a command line says instead; None says nothing.

        Raises Misconfigured.
        """
        given = {
            name.replace("_", "-"): value for name, value in values.items() if value is not None
        }
        return validated({**self.model_dump(by_alias=True), **given}, "the command line", _OPTIONS)

    @property
    def has_account(self) -> bool:
        """Whether the box has an account of its own, apart from its node's."""
        return self.signer in ("keystore", "clef")

    def journal_location(self) -> Location:
        """Where the journal is, or will be."""
        if isinstance(self.journal, str):
            return Remote(self.journal, self.journal_file().parent, self.journal_password_file)
        return self.journal_file()

    def journal_file(self) -> Path:
        """The journal's file, or where it would be if it were not in a database: beside it is what
        programs leave for this box alone."""
        if isinstance(self.journal, Path):
            return self.journal
        directory = BOX_DATA if is_there(BOX_DATA) else USER_DATA.expanduser()
        return directory / "journal.db"

    def journal_path(self) -> Path:
        """The same, for a program that may make the file.

        Only the default directory within the user's home is made, where it is missing: a directory
        that was configured may be on a volume that is not mounted yet. Raises Misconfigured.
        """
        file = self.journal_file()
        directory = file.parent
        if directory != USER_DATA.expanduser() or isinstance(self.journal, Path):
            return file
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"the journal's directory {directory} cannot be made: {error.strerror}; "
                'name another place with journal = "…" in the configuration'
            ) from error
        return file


def validated(values: Mapping[str, object], source: str, elsewhere: Mapping[str, str]) -> Settings:
    """`source` says where the values are from, `elsewhere` which keys are from another place."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise Misconfigured(_explained(error, source, elsewhere)) from None


def _explained(error: ValidationError, source: str, elsewhere: Mapping[str, str]) -> str:
    """All that is wrong, each in a line."""
    lines = []
    for each in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in each["loc"] if part != "[key]")
        place = elsewhere.get(key.partition(".")[0]) or (f"{source}: {key}" if key else source)
        message = in_words(each, "a table")
        if each["type"] == "extra_forbidden":
            known = ", ".join(field.alias or name for name, field in Settings.model_fields.items())
            message = f"there is no such key; the top-level ones are {known}"
        lines += [f"{place}: {line}" for line in message.splitlines()]
    return "\n".join(lines)


def is_there(path: Path) -> bool:
    """Whether it is there, also where this user may not look: then its use will say so."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
