"""The settings of a box: one typed model, read from a file and the environment."""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from scheduler import toml
from scheduler.chain.addresses import address_from
from scheduler.chain.endpoint import Endpoint, secrets_in
from scheduler.chain.model import Address
from scheduler.errors import Misconfigured
from scheduler.jobs import loading
from scheduler.moc.jobs import TASKS
from scheduler.networks import chain_id_of, networks
from scheduler.plan import MOC_PROGRAMS, MONITOR, SCHEDULER, SCHEDULER_V6
from scheduler.spelling import speak_of
from scheduler.transactions.journal.location import Location, Remote, is_remote

DEFAULT_FILE = Path("/etc/scheduler/config.toml")
DEFAULT_ENDPOINT = "http://127.0.0.1:8545"

BOX_DATA = Path("/data/scheduler")
USER_DATA = Path("~/.local/share/scheduler-kit")

_HIGHEST_PORT = 65_535

_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\]):\d+")

_WEI_PER = {"wei": 1, "gwei": 10**9, "ether": 10**18}
_AMOUNT = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(wei|gwei|ether)\s*$")


# What pydantic finds, in an operator's words; its other findings are in ours already.
_WORDS = {
    "missing": "it is missing",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false",
    "string_type": "write a text, in quotes",
    "model_type": "write {group}",
    "dict_type": "write {group}",
    "tuple_type": "write a list, in brackets",
    "greater_than": "write a number greater than {gt}",
    "greater_than_equal": "write a number of {ge} or more",
    "literal_error": "write {expected}",
}


def in_words(finding: ErrorDetails, group: str) -> str:
    """What is wrong, of a finding of pydantic's; never the value, which may be a secret.

    `group` is what the file's language calls what has keys.
    """
    words = _WORDS.get(finding["type"])
    if words is None:
        return finding["msg"].removeprefix("Value error, ")
    return words.format(group=group, **finding.get("ctx", {}))


def _wei(value: object) -> object:
    """`"50 gwei"` as wei; what is no such text is left to be refused."""
    if not isinstance(value, str):
        return value
    match = _AMOUNT.match(value)
    if match is None:
        raise ValueError('write an amount with its unit, such as "50 gwei"')
    number, unit = match.groups()
    whole, _, decimals = number.partition(".")
    scale = _WEI_PER[unit]
    wei, rest = divmod(int(whole + decimals) * scale, 10 ** len(decimals))
    if rest:
        raise ValueError("an amount has no fractions of a wei")
    return wei


def _network(value: str) -> str:
    if value not in networks():
        raise ValueError(f"write one of {', '.join(networks())}")
    return value


def _programs(values: tuple[str, ...]) -> tuple[str, ...]:
    known = (SCHEDULER, SCHEDULER_V6, *MOC_PROGRAMS, MONITOR)
    if not values or not set(values) <= set(known):
        raise ValueError(f"name programs of these: {', '.join(known)}")
    return values


def _path(value: Path) -> Path:
    # Relative ones would name another file after a start in another directory.
    try:
        path = value.expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such home directory; write the whole path") from error
    if not path.is_absolute():
        raise ValueError("write a whole path, beginning with / or ~/")
    return path


def _journal(value: object) -> Path | str:
    """A path, or the URL of a PostgreSQL database, which is shown and so holds no secret."""
    if isinstance(value, Path):
        return _path(value)
    if not isinstance(value, str):
        raise ValueError("write a text, in quotes: a path, or postgresql://USER@HOST/DATABASE")
    if not is_remote(value):
        if "://" in value:
            raise ValueError("a URL of a journal begins with postgresql://")
        return _path(Path(value))
    # The value is not told: it may hold the password.
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a URL holds no blanks and no letters beyond ASCII; write them as %XX")
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ValueError("write postgresql://USER@HOST/DATABASE") from error
    if parts.password is not None or {"password", "sslpassword"} & parse_qs(parts.query).keys():
        raise ValueError(
            "a URL is shown, so it holds no password: write that into a file that only this user "
            'can read, and name the file with journal-password-file = "…"'
        )
    return value


def _rpc_url(value: str) -> str:
    """What no node's address can be is refused, and never repeated: it may hold a key."""
    scheme, separator, _ = value.partition("://")
    if not separator:
        path = value.removeprefix("ipc:")
        if not path.startswith(("/", "~")):
            raise ValueError(
                "write http://, https://, ws:// or wss:// and the host, or the path of the node's "
                "IPC socket, beginning with / or ~/"
            )
        return str(_path(Path(path)))
    if scheme.lower() not in ("http", "https", "ws", "wss"):
        raise ValueError("a URL of a node begins with http://, https://, ws:// or wss://")
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("a URL holds no blanks and no letters beyond ASCII; write them as %XX")
    try:
        Endpoint.parse(value).host.encode("idna")
    except UnicodeError as error:
        raise ValueError("its host is no host name") from error
    return value


def _listed(value: object) -> object:
    """One node's address as a list; of a text, several are told apart by blanks."""
    if not isinstance(value, str):
        return value
    return re.split(r"\s+(?=[a-z]+://|[/~])", value)


def _rpc_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError(
            "write the URL of a node; of several, each is asked when none before answers"
        )
    found, faults = [], []
    for number, value in enumerate(values, 1):
        try:
            found.append(_rpc_url(value))
        except ValueError as error:
            faults.append(str(error) if len(values) == 1 else f"number {number}: {error}")
    if faults:
        raise ValueError("\n".join(faults))
    if len(set(found)) < len(found):
        raise ValueError("the same node is there twice; name each once")
    return tuple(found)


def _host_and_port(value: str) -> str:
    if not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[\w.-]+)(:[0-9]{1,5})?", value):
        raise ValueError("write a host name or an address, and :PORT behind it where it needs one")
    return value


def _listening_at(value: str) -> str:
    match = re.fullmatch(r"(?:\[[0-9a-fA-F:]+\]|[\w.-]+):([0-9]{1,5})", value)
    if match is None or int(match[1]) > _HIGHEST_PORT:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:9470")
    return value


def _web_url(value: str) -> str:
    """Never repeated: whoever knows it can write there."""
    if not re.fullmatch(r"https?://[!-~]+", value) or not urlsplit(value).hostname:
        raise ValueError("write a URL that begins with https:// or http://")
    return value


Wei = Annotated[int, BeforeValidator(_wei), Field(ge=0, strict=True)]
AddressField = Annotated[Address, AfterValidator(address_from)]
PathField = Annotated[Path, AfterValidator(_path)]
JournalField = Annotated[Path | str, PlainValidator(_journal)]
RpcUrl = Annotated[str, AfterValidator(_rpc_url)]
RpcUrls = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_rpc_urls)]
WebUrl = Annotated[str, AfterValidator(_web_url)]


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

    server: Annotated[str, AfterValidator(_host_and_port)]
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

    page_address: Annotated[str, AfterValidator(_listening_at)] = "127.0.0.1:9470"
    page_hosts: tuple[Annotated[str, AfterValidator(_host_and_port)], ...] = ()
    page_token_file: PathField | None = None
    metrics_port: Annotated[int, Field(ge=0, le=65_535, strict=True)] = 9469
    supervisor: PathField = Path("/var/run/supervisor.sock")
    second_rpc_url: RpcUrl | None = None
    time_server: Annotated[str, AfterValidator(_host_and_port)] | None = None
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
    programs: Annotated[tuple[str, ...], AfterValidator(_programs)] = (SCHEDULER,)


class Settings(_Section):
    """Everything that can be set; each key has a default with which a box works.

    `rpc_url` are the nodes in the order of preference.
    """

    network: Annotated[str, AfterValidator(_network)] | None = None
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
        return _validated({**self.model_dump(by_alias=True), **given}, "the command line", _OPTIONS)

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
        directory = BOX_DATA if _exists(BOX_DATA) else USER_DATA.expanduser()
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


# What a command line says, by the key that it sets.
_OPTIONS = {"rpc-url": "--rpchost, --rpcport or --ipcpath", "alarm": "--address"}

# Top-level keys that may be given in the environment, which wins over the file.
_ENVIRONMENT = {
    "network": "SCHEDULER_NETWORK",
    "rpc-url": "SCHEDULER_RPC_URL",
    "account": "SCHEDULER_ACCOUNT",
    "signer": "SCHEDULER_SIGNER",
    "mode": "SCHEDULER_MODE",
    "journal": "SCHEDULER_JOURNAL",
    "journal-password-file": "SCHEDULER_JOURNAL_PASSWORD_FILE",
    "log-format": "SCHEDULER_LOG_FORMAT",
}


def remote_journal(url: str, directory: Path, password_file: Path | None) -> Remote:
    """The PostgreSQL database that a command line names. Raises Misconfigured."""
    try:
        if is_remote(url):
            return Remote(str(_journal(url)), directory, password_file)
    except ValueError as error:
        raise Misconfigured(f"POSTGRES-URL: {error}") from None
    raise Misconfigured("POSTGRES-URL: write postgresql://USER@HOST/DATABASE")


def load(file: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this box.

    From `file`, else the one that SCHEDULER_CONFIG names, else /etc/scheduler/config.toml where
    that exists, else defaults; then from the environment, where empty variables say nothing.
    From now on the process speaks of their network. Raises Misconfigured, naming the key and what
    to write.
    """
    found = source(file, environment)
    path = found or DEFAULT_FILE
    values: dict[str, object] = {} if found is None else _read(found)
    given = {key: variable for key, variable in _ENVIRONMENT.items() if environment.get(variable)}
    values |= {key: environment[variable] for key, variable in given.items()}
    settings = _validated(values, str(path), given)
    written = [(key, url) for key, url in settings.urls if key not in given]
    _keep_private(path, written)
    speak_of(chain_id_of(settings.network))
    return settings


def source(file: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `load` reads, None where there is none."""
    named = file or (Path(text) if (text := environment.get("SCHEDULER_CONFIG")) else None)
    if named is not None:
        return named
    return DEFAULT_FILE if _exists(DEFAULT_FILE) else None


def _exists(path: Path) -> bool:
    """Whether it is there, also where this user may not look: then its use will say so."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _keep_private(path: Path, urls: Sequence[tuple[str, str]]) -> None:
    """Raises Misconfigured where others can read a file with a password or key in a URL."""
    secret = [key for key, url in urls if secrets_in(url)]
    if secret and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misconfigured(
            f"{path} can be read by others, and its {secret[0]} may hold a password or key; "
            f"run: chmod 600 {path}"
        )


def _read(path: Path) -> dict[str, object]:
    try:
        return toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read: {error.strerror}; name the right file with --config, "
            "or make it readable for this user"
        ) from error
    except toml.TOMLDecodeError as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8 text") from error


def _validated(values: Mapping[str, object], source: str, elsewhere: Mapping[str, str]) -> Settings:
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
