"""Intents that come in turn: which of a series may be given a slot now. See Order.

The turn is held from the transaction that writes the slot until one in the slot is mined, so that
the next of a series can follow in the next block. A reorg may then put two of them back in their
slots. Their nonces keep them in order; while one of them waits, a third one is kept out, which may
have another key than the first by now: what ended meanwhile counts.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from scheduler.chain.model import Address
from scheduler.transactions.intents import Intent, Order, Params
from scheduler.transactions.journal.errors import IntentTaken
from scheduler.transactions.journal.values import Row
from scheduler.transactions.states import OutcomeKind

Run = Callable[..., list[Row]]


def admissible(run: Run, intents: Sequence[Intent]) -> list[Intent]:
    """Those of these intents whose series is free, their keys complete; `run` makes a query.

    What counts in a key is what it is now; `take_turn` counts again when it is written.
    """
    found = []
    for intent in intents:
        if intent.order is Order.ANYHOW:
            found.append(intent)
        elif not run("has_turn", **_series(intent)):
            found.append(replace(intent, key=f"{intent.key}:{_count(run, intent)}"))
    return found


def take_turn(run: Run, intent: Intent) -> None:
    """Within the transaction that writes its slot. `intent` is one that was admissible.

    Raises IntentTaken where another of its series has the turn, or has ended since.
    """
    if intent.order is Order.ANYHOW:
        return
    if run("has_turn", **_series(intent)) or not intent.key.endswith(f":{_count(run, intent)}"):
        raise IntentTaken(intent.key)
    run("set_turn", key=intent.key, has_turn=1)


def end_turn(run: Run, key: str) -> None:
    """Nothing of the intent waits to be mined any more; does nothing for one without a turn."""
    run("set_turn", key=key, has_turn=0)


def newest(
    run: Run, chain: str, contract: Address, family: str, kind: str, many: int
) -> list[tuple[Params, OutcomeKind]]:
    """What was mined last of a series, the newest first, so many at most: its params, and what it
    did, final or not."""
    series = {"chain": chain, "contract": contract, "family": family, "kind": kind}
    rows = run("newest_in_series", **series, many=many)
    return [(json.loads(params), OutcomeKind(outcome)) for params, outcome in rows]


def _count(run: Run, intent: Intent) -> int:
    successes = int(intent.order is Order.COUNTED)
    [(count,)] = run("ended_in_series", **_series(intent), successes=successes)
    return int(count)


def _series(intent: Intent) -> dict[str, object]:
    return {
        "chain": intent.chain,
        "contract": intent.contract,
        "family": intent.family,
        "kind": intent.kind,
    }
