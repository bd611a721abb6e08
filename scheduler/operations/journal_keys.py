"""The short names of intents: what is enough of a key to tell it from all others."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches

from scheduler.chain.addresses import in_small_letters
from scheduler.errors import Misconfigured
from scheduler.operations.wording import count, printable
from scheduler.transactions.journal import Location
from scheduler.transactions.journal.records import Name

# Of so many of the newest intents the nearest one is looked for, which takes some milliseconds.
_COMPARED = 1_000

# Where a part of a key may mean several, so many of the newest are named.
_NAMED = 50


def short_names(names: Sequence[Name]) -> Mapping[str, str]:
    """The shortest form of each key that no other intent in `names` shares, by key."""
    shared = Counter(form for name in names for form in set(_forms(name)))
    return {
        name.key: next((form for form in _forms(name) if shared[form] == 1), name.key)
        for name in names
    }


def matching(given: str, names: Sequence[Name]) -> list[Name]:
    """The intents that `given` may mean: one, several, or none.

    It is a key; else a short name; else parts of a key in their order, separated by colons, each
    whole; else any text in a key. An address in it is taken in any spelling.
    """
    given = in_small_letters(given)
    parts = _parts(given)
    ways: Sequence[Callable[[Name], bool]] = (
        lambda name: name.key == given,
        lambda name: given in _forms(name),
        lambda name: _in_order(parts, _parts(name.key)),
        lambda name: given in name.key,
    )
    if not parts:
        return []
    found = ([name for name in names if way(name)] for way in ways)
    return next((some for some in found if some), [])


def nearest(given: str, names: Sequence[Name]) -> str | None:
    """The short name most like `given`; None where there are no intents."""
    short = short_names(names)
    newest = [name.key for name in names[-_COMPARED:]]
    candidates = [text for key in newest for text in (short[key], key)]
    found = get_close_matches(given, candidates, n=1, cutoff=0)
    return next((short.get(text, text) for text in found), None)


def _forms(name: Name) -> list[str]:
    """Ways to write the key, shortest first: its subject's first part, with its kind, all of it."""
    parts = _parts(name.key)
    # A key is family : kind : chain : contract : subject : epoch.
    after = parts[parts.index(name.contract) + 1 :] if name.contract in parts else []
    subject = after or parts[-1:]
    forms = [subject[:1], [name.kind, *subject[:1]], subject, [name.kind, *subject]]
    return [*(":".join(form) for form in forms), name.key]


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[:\-]", text) if part]


def _in_order(parts: Iterable[str], whole: Iterable[str]) -> bool:
    rest = iter(whole)
    return all(part in rest for part in parts)


def only(given: str, names: list[Name], path: Location) -> Name:
    """The one intent that is meant. Raises Misconfigured where it is none, or not only one."""
    found = matching(given, names)
    if len(found) == 1:
        return found[0]
    if not found:
        closest = nearest(given, names)
        hint = f"the nearest is {printable(closest)}" if closest else "it holds none at all"
        raise Misconfigured(f"no intent {given!r} in the journal {path}; {hint}")
    short = short_names(names)
    listed = [printable(short[name.key]) for name in found[-_NAMED:]]
    if len(found) > _NAMED:
        listed.insert(0, "…")
    raise Misconfigured(
        f"{given!r} may be any of {count(len(found), 'intent')}: {', '.join(listed)}"
    )
