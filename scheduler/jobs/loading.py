"""Jobs as an operator writes them, in TOML; every error says where it is and what to write."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

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
from scheduler.jobs.declaration import Action, Event, Job
from scheduler.transactions.intents import Urgency

_KEYS = {
    "name", "contract", "call", "arguments", "when", "unless", "yields", "epoch", "proofs",
    "proving-gas", "gas-limit", "urgency", "interval", "max-cost",
}  # fmt: skip
_READING_KEYS = {"contract", "view", "arguments", "word"}
_GROUPS: Mapping[str, type[All] | type[AnyOf]] = {"all": All, "any": AnyOf}


class BadJob(Exception):
    """A declaration that cannot be understood; the message is one line that says where."""


def job(data: Mapping[str, Any]) -> Job:
    """A job from its table; `contract` is where its views and events are, unless they say.

    Raises BadJob.
    """
    name = _text(data, "name", "a job")
    _known(data, _KEYS, name)
    contract = _address(data, "contract", name)
    action = Action(contract, _text(data, "call", name), _arguments(data, name))
    _fits(action, f"{name}: call")
    if "when" not in data:
        raise BadJob(f'{name}: it needs a condition: when = "ready()" or a table')
    urgency = data.get("urgency", Urgency.NORMAL.value)
    if urgency not in (Urgency.NORMAL.value, Urgency.URGENT.value):
        raise BadJob(f'{name}: urgency: write "normal" or "urgent"')
    return Job(
        name=name,
        action=action,
        condition=_condition(data["when"], contract, f"{name}: when"),
        unless=tuple(
            _condition(each, contract, f"{name}: unless") for each in _list(data, "unless", name)
        ),
        yields=_number(data, "yields", name),
        epoch=_epoch(data, contract, name),
        proofs=tuple(_event(each, contract, name) for each in _list(data, "proofs", name)),
        proving_gas=_number(data, "proving-gas", name),
        gas=_number(data, "gas-limit", name) or Job.gas,
        urgency=Urgency(urgency),
        interval=_number(data, "interval", name) or 0,
        max_cost=_number(data, "max-cost", name),
    )


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
    signature = _text(data, "view", where)
    reading = Reading(own, signature, _arguments(data, where), _number(data, "word", where) or 0)
    _fits(reading, where)
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


def _event(data: object, contract: str, name: str) -> Event:
    where = f"{name}: proofs"
    table = {"event": data} if isinstance(data, str) else data
    if not isinstance(table, Mapping):
        _bad(where, 'write an event such as "Paid(address,uint256)", or a table')
    _known(table, {"event", "contract"}, where)
    own = _address(table, "contract", where) if "contract" in table else contract
    signature = _text(table, "event", where)
    if not re.fullmatch(r"\w+\([\w,()\[\]]*\)", signature):
        _bad(where, f"{signature!r} is no event; write one such as Paid(address,uint256)")
    return Event(own, signature)


def _fits(call: Action | Reading, where: str) -> None:
    try:
        abi.call_data(call.signature, call.arguments)
    except ValueError as error:
        raise BadJob(f"{where}: {error}") from error


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
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        _bad(where, f"{key}: write an address: 0x and 40 hexadecimal digits")
    return value.lower()


def _arguments(data: Mapping[str, Any], where: str) -> tuple[abi.Argument, ...]:
    found = _list(data, "arguments", where)
    if not all(isinstance(each, str | int) for each in found):
        _bad(where, "arguments: write texts, whole numbers, true or false")
    return tuple(found)


def _list(data: Mapping[str, Any], key: str, where: str) -> Sequence[Any]:
    value = data.get(key, ())
    if not isinstance(value, list | tuple):
        _bad(where, f"{key}: write a list, in brackets")
    return value


def _number(data: Mapping[str, Any], key: str, where: str) -> int | None:
    value = data.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        _bad(where, f"{key}: write a whole number that is not negative")
    return value


def _bad(where: str, what: str) -> NoReturn:
    raise BadJob(f"{where}: {what}")
