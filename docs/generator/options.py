"""docs/configuration.md: what the settings model takes, and options.toml says of it."""

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from scheduler import config, toml
from scheduler.config import Settings, fields
from scheduler.networks import networks

WORDS = toml.loads(Path(__file__).with_name("options.toml").read_text(encoding="utf-8"))

WIDTH = 100

# What a validator of the model takes, in words.
_TAKEN = {
    fields.wei: 'an amount, such as `"50 gwei"`, or a number of wei',
    fields.address_from: "an address",
    fields.whole_path: "a whole path",
    fields.rpc_url: "a URL, or a path",
    fields.web_url: "a URL",
    fields.host_and_port: "HOST or HOST:PORT",
    fields.listening_at: "HOST:PORT",
}
_TYPES = {str: "a text", int: "a whole number", float: "a number", bool: "`true` or `false`"}


def sections() -> dict[str, str]:
    """What the template's places are filled with: one for each table, and the variables.

    Raises ValueError where options.toml and the model do not have the same keys.
    """
    found: dict[str, list[str]] = {}
    described = set()
    for key, field in keys(Settings):
        if key not in WORDS:
            raise ValueError(f"docs/generator/options.toml says nothing of {key}")
        described.add(key)
        table = key.partition(".")[0] if "." in key or key == "jobs" else "top-level"
        found.setdefault(f"options:{table}", []).append(_option(key, field))
    if unknown := WORDS.keys() - described:
        raise ValueError(f"docs/generator/options.toml: there is no key {', '.join(unknown)}")
    return {
        **{name: "\n\n".join(texts) for name, texts in found.items()},
        "variables": _variables(),
    }


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """All keys as they are written, with dots, in the order of the model."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        table = section_of(field)
        if table is None:
            yield key, field
        else:
            yield from keys(table, f"{key}.")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of the table that the field is; None where it is a value."""
    for each in (field.annotation, *get_args(field.annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _option(key: str, field: FieldInfo) -> str:
    words = WORDS[key]
    variable = config.ENVIRONMENT.get(key)
    lines = [
        f"### `{key}`",
        "",
        _bullet(f"Default: {_default(key, field)}"),
        _bullet(f"Takes {_taken(key, field)}."),
        *(_bullet(text, wrap=False) for text in words["meaning"].strip("\n").split("\n\n")),
        *([f"- Variable: `{variable}`"] if variable else []),
        f"- Example: `{words['example']}`",
        _bullet("; ".join([f"Since {words['since']}", *words.get("history", ())])),
    ]
    return "\n".join(lines)


def _bullet(text: str, wrap: bool = True) -> str:
    """An item of a list, its further lines indented."""
    if wrap:
        return textwrap.fill(
            f"- {' '.join(text.split())}",
            WIDTH,
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "- " + textwrap.indent(text, "  ")[2:]


def _default(key: str, field: FieldInfo) -> str:
    """The model's, as it is written in a file, and what options.toml says more about it; where the
    model has none, what that says instead."""
    more = WORDS[key].get("default")
    value = None if field.is_required() else field.default
    if value is None or value == ():
        return more or "none"
    return f"`{_literal(value, field)}`{more or ''}"


def _literal(value: object, field: FieldInfo) -> str:
    if fields.wei in _validators(field.annotation, field.metadata) and value:
        return json.dumps(f"{int(str(value)) / 10**18:g} ether")
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _taken(key: str, field: FieldInfo) -> str:
    if key == "network":
        return f"one of {', '.join(f'`{name}`' for name in networks())}"
    return WORDS[key].get("takes") or _type(field.annotation, field.metadata)


def _type(annotation: Any, metadata: list[Any]) -> str:
    """What a type of the model takes, in words."""
    for validator in _validators(annotation, metadata):
        if validator in _TAKEN:
            return _TAKEN[validator]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _one_of([f"`{json.dumps(each)}`" for each in arguments])
    if origin is tuple:
        return f"a list; each: {_type(arguments[0], [])}"
    if origin is dict:
        return "a table"
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0], list(annotation.__metadata__))
    if type(None) in arguments:
        return _type(next(each for each in arguments if each is not type(None)), metadata)
    bounds = [each for each in _flat(metadata) if isinstance(each, Ge | Gt)]
    words = [f"{b.ge} or more" if isinstance(b, Ge) else f"more than {b.gt}" for b in bounds]
    return ", ".join([_TYPES[annotation], *words])


def _validators(annotation: Any, metadata: list[Any]) -> list[Any]:
    """The functions that check a value of this type itself, not those of what it holds."""
    if type(None) in get_args(annotation) and get_origin(annotation) is not tuple:
        (inner,) = (each for each in get_args(annotation) if each is not type(None))
        metadata = [*metadata, *getattr(inner, "__metadata__", ())]
    kinds = (AfterValidator, BeforeValidator)
    return [each.func for each in metadata if isinstance(each, kinds)]


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else [each]


def _one_of(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"{', '.join(values[:-1])} or {values[-1]}"


def _variables() -> str:
    rows = [*((variable, f"`{key}`") for key, variable in config.ENVIRONMENT.items()),
            ("SCHEDULER_CONFIG", "which file")]  # fmt: skip
    lines = [f"| `{variable}` | {what} |" for variable, what in rows]
    return "\n".join(["| variable | key |", "|---|---|", *lines])
