"""The settings of a box: one typed model, read from a file and the environment."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from scheduler import toml
from scheduler.chain.model import Address
from scheduler.errors import Misconfigured
from scheduler.networks import networks

DEFAULT_FILE = Path("/etc/scheduler/config.toml")
DEFAULT_ENDPOINT = "http://127.0.0.1:8545"

BOX_DATA = Path("/data/scheduler")
USER_DATA = Path("~/.local/share/scheduler-kit")

_WEI_PER = {"wei": 1, "gwei": 10**9, "ether": 10**18}
_AMOUNT = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(wei|gwei|ether)\s*$")
_ADDRESS = re.compile(r"^0x[0-9a-fA-F]{40}$")


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


def _address(value: str) -> str:
    # Checksums are not required: wallets of Rootstock show other ones (EIP-1191) than Ethereum's.
    if not _ADDRESS.match(value):
        raise ValueError("write an address: 0x and 40 hexadecimal digits")
    return value.lower()


def _network(value: str) -> str:
    if value not in networks():
        raise ValueError(f"write one of {', '.join(networks())}")
    return value


Wei = Annotated[int, BeforeValidator(_wei), Field(ge=0, strict=True)]
AddressField = Annotated[Address, AfterValidator(_address)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class Keystore(_Section):
    """[keystore]: an encrypted key file, and the file whose first line is its password."""

    file: Path
    password_file: Path


class Fees(_Section):
    """[fees]: the highest price of a unit of gas, and the lowest tip, in wei."""

    max_gas_price: Wei | None = None
    min_tip: Wei = 0


class Alarm(_Section):
    """[alarm]: the Scheduler contracts to serve; none for the network's own."""

    addresses: tuple[AddressField, ...] = Field(default=(), max_length=1)


class Settings(_Section):
    """Everything that can be set; each key has a default with which a box works."""

    network: Annotated[str, AfterValidator(_network)] | None = None
    rpc_url: Annotated[str, Field(min_length=1)] = DEFAULT_ENDPOINT
    account: AddressField | None = None
    signer: Literal["node", "keystore"] = "node"
    journal: Path | None = None
    keystore: Keystore | None = None
    fees: Fees = Fees()
    alarm: Alarm = Alarm()

    @model_validator(mode="after")
    def _keystore_is_given(self) -> "Settings":
        if self.signer == "keystore" and self.keystore is None:
            raise ValueError(
                'signer = "keystore" needs a table [keystore] with file = "…" and '
                'password-file = "…"'
            )
        return self

    def with_overrides(self, **values: object) -> "Settings":
        """These settings with what a command line says instead; None says nothing.

        Raises Misconfigured.
        """
        given = {name: value for name, value in values.items() if value is not None}
        return _validated({**self.model_dump(), **given}, "the command line")

    def journal_path(self) -> Path:
        """Where the journal is, its directory made where it is the user's own.

        Raises Misconfigured where the directory cannot be written: another journal would not
        know what was sent.
        """
        path = self.journal
        if path is None:
            path = (BOX_DATA if BOX_DATA.is_dir() else USER_DATA.expanduser()) / "journal.db"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"the journal's directory {path.parent} cannot be made: {error.strerror}; "
                'make it, or name another with journal = "…"'
            ) from error
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise Misconfigured(
                f"the journal's directory {path.parent} cannot be written by this user; "
                f"run: sudo chown $(id -un) {path.parent}"
            )
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            raise Misconfigured(
                f"the journal {path} cannot be written by this user; "
                f"run: sudo chown $(id -un) {path}*"
            )
        return path


# Top-level keys that may be given in the environment, which wins over the file.
_ENVIRONMENT = {
    "SCHEDULER_NETWORK": "network",
    "SCHEDULER_RPC_URL": "rpc-url",
    "SCHEDULER_ACCOUNT": "account",
    "SCHEDULER_SIGNER": "signer",
    "SCHEDULER_JOURNAL": "journal",
}


def load(file: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this box.

    From `file`, else the one that SCHEDULER_CONFIG names, else /etc/scheduler/config.toml where
    that exists, else defaults; then from the environment. Raises Misconfigured, naming the key
    and what to write.
    """
    named = file or (Path(environment["SCHEDULER_CONFIG"]) if "SCHEDULER_CONFIG" in environment
                     else None)  # fmt: skip
    path = named or DEFAULT_FILE
    values: dict[str, object] = {}
    if named is not None or path.exists():
        values = _read(path)
    for variable, key in _ENVIRONMENT.items():
        if variable in environment:
            values[key] = environment[variable]
    return _validated(values, str(path))


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


def _validated(values: Mapping[str, object], source: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise Misconfigured(_explained(error, source)) from None


def _explained(error: ValidationError, source: str) -> str:
    """The first thing wrong, in one line; never the value, which may be a secret."""
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = ", ".join(field.alias or name for name, field in Settings.model_fields.items())
        message = f"there is no such key; the top-level ones are {known}"
    more = len(error.errors()) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{source}: {key + ': ' if key else ''}{message}{rest}"
