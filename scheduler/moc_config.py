"""config.json of `moc_jobs`: what Money on Chain's own program was given, read as it is.

Only what is used is checked: the tasks, and the network that is chosen. All faults are told at
once.
"""

import json
import os
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from eth_keys.datatypes import PrivateKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scheduler.chain.endpoint import secrets_in
from scheduler.chain.model import Address
from scheduler.config.fields import AddressField, RpcUrl, in_words
from scheduler.errors import Misconfigured
from scheduler.moc.jobs import TASKS
from scheduler.networks import networks
from scheduler.transactions.environment import EXAMPLE, VARIABLES, keys_in, private_key
from scheduler.transactions.secrets import private_file

DEFAULT_NETWORK = "mocTestnet"
LOCAL = "local"

CONFIG, NETWORK = "MOC_JOBS_CONFIG", "MOC_JOBS_NETWORK"
"""Variables that win over the flags: the whole JSON, and the network's name."""

T = TypeVar("T")
Part = TypeVar("Part", bound="_Part")

Number = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[int, Field(gt=0, strict=True)]


class _Part(BaseModel):
    """A part of the file; keys that are not known are kept, to be told."""

    model_config = ConfigDict(extra="allow", frozen=True)


class _Task(_Part):
    interval: Number | None = None
    wait_timeout: Positive | None = None
    gas_limit: Annotated[int, Field(gt=21_000, strict=True)] | None = None
    partial_execution_steps: Positive | None = None


class _Account(_Part):
    address: AddressField | None = None
    private_key: str = Field(default="", repr=False)


class _Addresses(_Part):
    """The other contracts are found from this one."""

    MoC: AddressField


def _some(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError(
            "write the URL of a node; of several, each is asked when none before answers"
        )
    return values


class _Network(_Part):
    app_mode: Literal["MoC", "RRC20"]
    uri: Annotated[tuple[RpcUrl, ...], AfterValidator(_some)]
    chain_id: Positive
    addresses: _Addresses


class _Accounts(_Part):
    """Those of a network, which are looked at whatever else is wrong with it."""

    accounts: tuple[_Account, ...] = ()


class _File(_Part):
    tasks: dict[str, Any]
    networks: dict[str, Any]
    timeout: Positive | None = None
    gas_price: Number | None = None


@dataclass(frozen=True, slots=True)
class MocConfig:
    """What is to be done, where, and with which account.

    `endpoints` are the nodes' in the order of preference. `tasks` are as scheduler.moc.jobs.Task
    takes them. `gas_price` is the least that is offered, wei per gas. Without `key` the node signs
    for `account`; without both the node's first account does, or the box's key file. `remarks` are
    lines about what the file says in vain. `is_local`: nothing of worth can be on that network.
    """

    network: str
    endpoints: tuple[str, ...] = field(repr=False)
    chain_id: int
    moc: Address
    tasks: Mapping[str, Mapping[str, int]]
    gas_price: int
    account: Address | None
    key: PrivateKey | None = field(repr=False)
    remarks: tuple[str, ...]
    is_local: bool


def default_file() -> Path:
    """config.json beside the script: in the root of a checkout, else where it was installed to."""
    checkout = Path(__file__).parents[1] / "config.json"
    installed = Path(sysconfig.get_path("data")) / "share" / "scheduler-kit" / "config.json"
    return installed if installed.exists() and not checkout.exists() else checkout


def load(
    file: Path | None,
    network: str | None,
    environment: Mapping[str, str] = os.environ,
    key_file: bool = False,
) -> MocConfig:
    """What `file` (config.json beside the script for None) says of `network`.

    `key_file`: whether the box has an account of its own, so that none need be named. Raises
    Misconfigured with a line for each fault, which says where it is and never what a key is.
    """
    path = None if environment.get(CONFIG) else file or default_file()
    source = CONFIG if path is None else str(path)
    name = environment.get(NETWORK) or network or DEFAULT_NETWORK
    reading = _Reading(source, _parsed(source, environment, path))
    if path is not None and _holds_secrets(reading.data):
        reading.trying(private_file, path, "the configuration")
    top = reading.part(_File, reading.data)
    tasks = _tasks(reading)
    chosen, accounts = _network(reading, name)
    local = name == LOCAL if chosen is None else _is_local(name, chosen)
    account, key = _account(reading, name, accounts, environment, key_file or local)
    address = account if key is None else key.public_key.to_address()
    if address == EXAMPLE and not local:
        reading.fault(
            f"the account {address} is that of a published example: its key is known to "
            f"everybody; it is taken on the network {LOCAL} alone"
        )
    if reading.faults or top is None or chosen is None:
        raise Misconfigured("\n".join(reading.faults))
    return MocConfig(
        network=name,
        endpoints=chosen.uri,
        chain_id=chosen.chain_id,
        moc=chosen.addresses.MoC,
        tasks=tasks,
        gas_price=top.gas_price or 0,
        account=account,
        key=key,
        remarks=tuple(map(_in_one_line, reading.remarks)),
        is_local=local,
    )


def flattened(file: Path) -> str:
    """The file's content in one line, as MOC_JOBS_CONFIG takes it.

    Raises Misconfigured with a line for each fault, in all of its networks, and for what is secret
    in it: the line goes where others read it, such as a task definition.
    """
    source = str(file)
    reading = _Reading(source, _parsed(source, {}, file))
    reading.part(_File, reading.data)
    _tasks(reading)
    known = reading.under("networks")
    for name, network in known.items():
        # Only one's own chain may lack its address: the project's file has it as a form to fill in.
        if name != LOCAL:
            reading.part(_Network, network, "networks", name)
    if not known:
        reading.fault(f"{reading.at('networks')}: there is none; write the one that is meant")
    for key, text in _leaves(reading.data):
        if key == "private_key" and text:
            reading.fault(
                f"{source}: a private_key is in it, which others would read; leave it out, and "
                f"give the key apart, in {VARIABLES[0]}"
            )
        elif _is_secret((key, text)):
            reading.fault(
                f"{source}: a uri may hold a password or key, which others would read; write one "
                f"without, or keep the whole of {CONFIG} as a secret"
            )
    if reading.faults:
        raise Misconfigured("\n".join(reading.faults))
    return json.dumps(reading.data, separators=(",", ":"))


class _Reading:
    """The file's content, and what was found wrong with it so far."""

    def __init__(self, source: str, data: dict[str, Any]) -> None:
        self._source = source
        self.data = data
        self.faults: list[str] = []
        self.remarks: list[str] = []

    def at(self, *where: str | int) -> str:
        """The place in the file, as lines begin with."""
        return f"{self._source}: {'.'.join(map(str, where))}"

    def fault(self, line: str) -> None:
        told = _in_one_line(line)
        if told not in self.faults:
            self.faults.append(told)

    def trying(self, action: Callable[..., T], *arguments: Any) -> T | None:
        """What the action answers; None where it says that something is wrong."""
        try:
            return action(*arguments)
        except Misconfigured as error:
            self.fault(str(error))
            return None

    def under(self, key: str) -> dict[str, Any]:
        """The objects by name at this key of the file; none where it holds something else."""
        found = self.data.get(key)
        return found if isinstance(found, dict) else {}

    def part(self, model: type[Part], data: object, *where: str) -> Part | None:
        """The data as the model; None with a fault for everything that does not fit."""
        try:
            found = model.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_input=False, include_url=False):
                said = in_words(each, "an object, in braces")
                self.fault(f"{self.at(*where, *each['loc'])}: {said}")
            return None
        for key in found.model_extra or ():
            self.remarks.append(f"{self.at(*where, key)}: nothing of this name is known")
        return found


def _in_one_line(text: str) -> str:
    """Keys of the file may hold anything."""
    return "".join(each if each.isprintable() else "…" for each in text)


def _parsed(source: str, environment: Mapping[str, str], path: Path | None) -> dict[str, Any]:
    """The JSON object in the file, or without a path in the environment. Raises Misconfigured."""
    try:
        text = environment[CONFIG] if path is None else path.read_text(encoding="utf-8-sig")
        data = json.loads(text)
    except OSError as error:
        raise Misconfigured(
            f"{source} cannot be read: {error.strerror}; name the right file with --config, "
            "or make it readable for this user"
        ) from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{source} is not UTF-8 text") from error
    except json.JSONDecodeError as error:
        # Not the error itself: its cause holds the whole text, and so keys.
        where = f"line {error.lineno}, column {error.colno}"
        raise Misconfigured(f"{source} is not JSON: {error.msg} ({where})") from None
    except ValueError:
        # Python reads no number of more than 4,300 digits (3.11+).
        raise Misconfigured(f"{source} is not JSON: a number in it is far too long") from None
    except RecursionError:
        raise Misconfigured(f"{source} is not JSON: it is nested too deeply") from None
    if not isinstance(data, dict):
        raise Misconfigured(f"{source} is no JSON object: it begins with a brace")
    return data


def _tasks(reading: _Reading) -> dict[str, dict[str, int]]:
    """The settings of the tasks that are scheduled; what they leave out is as it always was."""
    found = {}
    for name, data in reading.under("tasks").items():
        standard = TASKS.get(name)
        if standard is None:
            seven = ", ".join(TASKS)
            reading.remarks.append(
                f"{reading.at('tasks', name)}: there is no such task; the seven are {seven}"
            )
            continue
        task = reading.part(_Task, data, "tasks", name)
        if task is not None:
            found[name] = {
                "interval": standard.interval if task.interval is None else task.interval,
                "gas": task.gas_limit or standard.gas,
                "steps": task.partial_execution_steps or standard.steps,
            }
    if not found and not reading.faults:
        reading.fault(f"{reading.at('tasks')}: none of the seven is there: {', '.join(TASKS)}")
    return found


def _network(reading: _Reading, name: str) -> tuple[_Network | None, _Accounts | None]:
    """The network with this name, and its accounts."""
    known = reading.under("networks")
    if name in known:
        found = known[name]
        accounts: _Accounts | None = None
        if isinstance(found, dict):
            own = {key: found[key] for key in _Accounts.model_fields if key in found}
            accounts = reading.part(_Accounts, own, "networks", name)
            found = {key: value for key, value in found.items() if key not in own}
        return reading.part(_Network, found, "networks", name), accounts
    # What else is wrong with them is told already.
    if known or reading.data.get("networks") == {}:
        there = ", ".join(known) or "none"
        reading.fault(f"{reading.at('networks')}: there is no network {name}; there are: {there}")
    return None, None


def _account(
    reading: _Reading,
    name: str,
    network: _Accounts | None,
    environment: Mapping[str, str],
    has_another: bool,
) -> tuple[Address | None, PrivateKey | None]:
    """Who sends: the first key of the environment, else the network's first account; None where
    there is another one, of the box or of the node."""
    if any(environment.get(variable, "").strip() for variable in VARIABLES):
        keys = reading.trying(lambda: list(keys_in(environment)))
        return None, keys[0] if keys else None
    if network is not None and network.accounts:
        return _written(reading, name, network.accounts[0])
    if network is not None and not has_another:
        reading.fault(
            f"{reading.at('networks', name, 'accounts')}: there is no account; set "
            f'{VARIABLES[0]} to its private key, or write {{"address": "0x…"}} for one that '
            "the node has unlocked"
        )
    return None, None


def _written(
    reading: _Reading, name: str, account: _Account
) -> tuple[Address | None, PrivateKey | None]:
    """The account as the file has it, with its key where that is written there."""
    place = reading.at("networks", name, "accounts", 0)
    if not account.private_key:
        if account.address is None:
            reading.fault(f"{place}: it has neither an address nor a private_key")
        return account.address, None
    key = reading.trying(private_key, account.private_key, f"{place}.private_key")
    if key is not None and account.address not in (None, key.public_key.to_address()):
        reading.fault(f"{place}: the private_key is not that of the address; correct one of them")
    return account.address, key


def _is_local(name: str, network: _Network) -> bool:
    """Whether nothing of worth can be there, whatever the name says."""
    return name == LOCAL and not any(
        network.chain_id in each.chain_ids and not each.development for each in networks().values()
    )


def _holds_secrets(data: Mapping[str, Any]) -> bool:
    """Whether any network, also one that is not chosen, has a key, or a node's URL with one."""
    return any(map(_is_secret, _leaves(data)))


def _leaves(data: object, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts, each with the key that it, or the list around it, has."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _leaves(value, name)
    elif isinstance(data, list):
        for value in data:
            yield from _leaves(value, key)
    elif isinstance(data, str):
        yield key, data


def _is_secret(leaf: tuple[str, str]) -> bool:
    key, text = leaf
    if key != "private_key":
        return key == "uri" and bool(secrets_in(text))
    try:
        return bool(text) and private_key(text, key).public_key.to_address() != EXAMPLE
    except Misconfigured:
        return True
