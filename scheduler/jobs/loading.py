"""Jobs as an operator writes them, in TOML; every error says where it is and what to write."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from scheduler.chain.addresses import address_from
from scheduler.jobs import abi
from scheduler.jobs.conditions import (
    COMPARISONS,
    All,
    AnyOf,
    Check,
    Condition,
    Not,
    Reading,
)
from scheduler.jobs.declaration import ALWAYS, Action, Event, Every, Job
from scheduler.transactions.intents import Urgency

T = TypeVar("T")

_KEYS = {
    "name", "contract", "call", "arguments", "when", "every", "unless", "yields", "epoch", "proofs",
    "proving-gas", "gas-limit", "gas-margin", "urgency", "interval", "max-cost",
}  # fmt: skip
_READING_KEYS = {"contract", "view", "arguments", "word"}
_GROUPS: Mapping[str, type[All] | type[AnyOf]] = {"all": All, "any": AnyOf}
_UNITS = ("blocks", "seconds")

# What any transaction takes (Yellow Paper, appendix G).
_TRANSACTION_GAS = 21_000


class BadJob(Exception):
    """A declaration that cannot be understood: a line for each thing, which says where it is."""


class _Faults:
    """What was found wrong with a declaration so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def trying(self, read: Callable[..., T], *arguments: Any, otherwise: T) -> T:
        """What `read` answers; `otherwise`, with a fault, where it raises BadJob."""
        try:
            return read(*arguments)
        except BadJob as error:
            self.lines.append(str(error))
            return otherwise


def job(data: Mapping[str, Any]) -> Job:
    """A job from its table; `contract` is where its views and events are, unless they say.

    Raises BadJob.
    """
    name = _name(data)
    faults = _Faults()
    faults.trying(_known, data, _KEYS, name, otherwise=None)
    # Whatever is read with it in the place of the right one is not used.
    contract = faults.trying(_address, data, "contract", name, otherwise="0x" + "00" * 20)
    read = faults.trying
    number = {
        key: read(_number, data, key, name, least, otherwise=None)
        for key, least in _NUMBERS.items()
    }
    found = Job(
        name=name,
        action=read(_action, data, contract, name, otherwise=Action(contract, "none()")),
        condition=read(_when, data, contract, name, otherwise=ALWAYS),
        unless=read(_unless, data, contract, name, otherwise=()),
        yields=number["yields"],
        epoch=read(_epoch, data, contract, name, otherwise=None),
        every=read(_every, data, name, otherwise=None),
        proofs=read(_proofs, data, contract, name, otherwise=()),
        proving_gas=number["proving-gas"],
        gas=number["gas-limit"] or Job.gas,
        gas_margin=number["gas-margin"],
        urgency=read(_urgency, data, name, otherwise=Urgency.NORMAL),
        interval=number["interval"] or 0,
        max_cost=number["max-cost"],
    )
    if faults.lines:
        raise BadJob("\n".join(faults.lines))
    return found


# The least that each may be.
_NUMBERS = {
    "yields": 0,
    "proving-gas": 0,
    "gas-limit": _TRANSACTION_GAS,
    "gas-margin": 0,
    "interval": 0,
    "max-cost": 0,
}


def _name(data: Mapping[str, Any]) -> str:
    name = _text(data, "name", "a job")
    # It is part of keys, whose parts have other signs between them.
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        _bad("a job", "name: write letters, digits, - and _ alone")
    return name


def _action(data: Mapping[str, Any], contract: str, name: str) -> Action:
    signature = _text(data, "call", name)
    arguments: list[abi.Argument | Reading] = []
    for each in _list(data, "arguments", name):
        if isinstance(each, Mapping):
            arguments.append(_handed_on(each, data.get("when"), contract, f"{name}: arguments"))
        else:
            arguments += _literals([each], name)
    action = Action(contract, signature, tuple(arguments))
    try:
        action.sample  # noqa: B018
    except ValueError as error:
        raise BadJob(f"{name}: call: {error}") from error
    return action


def _handed_on(data: Mapping[str, Any], when: object, contract: str, where: str) -> Reading:
    """What a view answers: a view of its own, or, from = "when", the one that is the condition."""
    if "from" not in data:
        _known(data, _READING_KEYS, where)
        return _reading(data, contract, where)
    _known(data, {"from", "word"}, where)
    if data["from"] != "when":
        _bad(where, 'from: write "when", or name a view with view = "…"')
    if not isinstance(when, str) and not (isinstance(when, Mapping) and "view" in when):
        _bad(where, 'from: the condition is not a single view; name one with view = "…"')
    view = {"view": when} if isinstance(when, str) else dict(when)
    asked = {key: view[key] for key in ("contract", "view", "arguments") if key in view}
    return _reading({**asked, "word": data.get("word", 0)}, contract, where)


def _when(data: Mapping[str, Any], contract: str, name: str) -> Condition:
    if "when" in data:
        return _condition(data["when"], contract, f"{name}: when")
    if "every" not in data:
        what = 'it needs a condition: when = "ready()" or a table; or every = { seconds = 3600 }'
        _bad(name, what)
    return ALWAYS


def _unless(data: Mapping[str, Any], contract: str, name: str) -> tuple[Condition, ...]:
    return tuple(
        _condition(each, contract, f"{name}: unless") for each in _list(data, "unless", name)
    )


def _every(data: Mapping[str, Any], name: str) -> Every | None:
    if "every" not in data:
        return None
    table, where = data["every"], f"{name}: every"
    if not isinstance(table, Mapping) or len(table) != 1:
        _bad(where, "write { seconds = 3600 }, or { blocks = 100 }")
    _known(table, _UNITS, where)
    if "epoch" in data:
        _bad(where, "it says how often, and so does epoch; write one of them")
    [unit] = table
    length = _number(table, unit, where, least=1)
    assert length is not None, "it is there"
    return Every(length, unit)


def _condition(data: object, contract: str, where: str) -> Condition:
    """A signature, a table that is a comparison, or one of all, any and not."""
    if isinstance(data, str):
        return Check(_reading({"view": data}, contract, where))
    if not isinstance(data, Mapping):
        _bad(where, 'write a view such as "ready()", or a table')
    for word, group in _GROUPS.items():
        if word in data:
            _known(data, {word}, where)
            parts = _list(data, word, where)
            if not parts:
                _bad(where, f"{word}: write at least one condition")
            return group(tuple(_condition(part, contract, f"{where}.{word}") for part in parts))
    if "not" in data:
        _known(data, {"not"}, where)
        return Not(_condition(data["not"], contract, f"{where}.not"))
    _known(data, _READING_KEYS | {"is", "value"}, where)
    comparison, value = data.get("is", "=="), data.get("value", True)
    if comparison not in COMPARISONS:
        _bad(where, f"is: write one of {' '.join(COMPARISONS)}")
    try:
        abi.number(value)
    except (TypeError, ValueError):
        _bad(where, "value: write true, false, a number, or hexadecimal digits after 0x")
    return Check(_reading(data, contract, where), comparison, value)


def _reading(data: Mapping[str, Any], contract: str, where: str) -> Reading:
    own = _address(data, "contract", where) if "contract" in data else contract
    arguments = _literals(_list(data, "arguments", where), where)
    reading = Reading(own, _text(data, "view", where), arguments, _number(data, "word", where) or 0)
    try:
        reading.call  # noqa: B018
    except ValueError as error:
        raise BadJob(f"{where}: {error}") from error
    return reading


def _epoch(data: Mapping[str, Any], contract: str, name: str) -> Reading | None:
    if "epoch" not in data:
        return None
    found = data["epoch"]
    table = {"view": found} if isinstance(found, str) else found
    if not isinstance(table, Mapping):
        _bad(f"{name}: epoch", 'write a view such as "lastPayment()", or a table')
    _known(table, _READING_KEYS, f"{name}: epoch")
    return _reading(table, contract, f"{name}: epoch")


def _proofs(data: Mapping[str, Any], contract: str, name: str) -> tuple[Event, ...]:
    return tuple(_event(each, contract, f"{name}: proofs") for each in _list(data, "proofs", name))


def _event(data: object, contract: str, where: str) -> Event:
    table = {"event": data} if isinstance(data, str) else data
    if not isinstance(table, Mapping):
        _bad(where, 'write an event such as "Paid(address,uint256)", or a table')
    _known(table, {"event", "contract"}, where)
    own = _address(table, "contract", where) if "contract" in table else contract
    signature = _text(table, "event", where)
    if not re.fullmatch(r"\w+\([\w,()\[\]]*\)", signature):
        _bad(where, f"{signature!r} is no event; write one such as Paid(address,uint256)")
    return Event(own, signature)


def _urgency(data: Mapping[str, Any], name: str) -> Urgency:
    urgency = data.get("urgency", Urgency.NORMAL.value)
    if urgency not in (Urgency.NORMAL.value, Urgency.URGENT.value):
        _bad(name, 'urgency: write "normal" or "urgent"')
    return Urgency(urgency)


def _known(data: Mapping[str, Any], keys: Collection[str], where: str) -> None:
    for key in data:
        if key not in keys:
            _bad(where, f"there is no {key}; there are {', '.join(sorted(keys))}")


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value:
        _bad(where, f'it needs {key} = "…"')
    return value


def _address(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    try:
        return address_from(value if isinstance(value, str) else "")
    except ValueError as error:
        _bad(where, f"{key}: {error}")


def _literals(values: Sequence[Any], where: str) -> tuple[abi.Argument, ...]:
    if not all(isinstance(each, str | int) for each in values):
        _bad(where, "arguments: write texts, whole numbers, true or false")
    return tuple(values)


def _list(data: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = data.get(key, ())
    if not isinstance(value, list | tuple):
        _bad(where, f"{key}: write a list, in brackets")
    return value


def _number(data: Mapping[str, Any], key: str, where: str, least: int = 0) -> int | None:
    value = data.get(key)
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool) or value < least
    ):
        what = f"of {least:,} or more" if least else "that is not negative"
        _bad(where, f"{key}: write a whole number {what}")
    return value


def _bad(where: str, what: str) -> NoReturn:
    raise BadJob(f"{where}: {what}")
