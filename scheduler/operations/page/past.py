"""What the journal has of the past, as far as the page shows it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from scheduler.alarm.drafts import CLAIM, CLEANUP
from scheduler.operations import journal_story
from scheduler.operations.report import By, Sums, statements
from scheduler.transactions.journal.location import Location, is_there
from scheduler.transactions.journal.reading import Reading, reading
from scheduler.transactions.states import IntentState, OutcomeKind

SHOWN = 12
"""How many intents are listed, the newest."""

_ANY_BLOCK = (CLAIM, CLEANUP)

DAYS = 14
"""How many days are drawn."""


@dataclass(frozen=True, slots=True)
class Done:
    """An intent that was sent: `aimed` is the block for which it was meant, None where any of many
    would do, `mined` the one that it is in, None while it is in none; `balance` by how much it
    changed the account's, wei."""

    key: str
    kind: str
    subject: str
    state: IntentState
    outcome: OutcomeKind | None
    is_final: bool
    aimed: int | None
    mined: int | None
    balance: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Day:
    """What a UTC day (YYYY-MM-DD) brought and cost, wei."""

    day: str
    earned: int
    spent: int


@dataclass(frozen=True, slots=True)
class Story:
    """An intent's story: headings and texts, steps as times and lines, and what is still open."""

    key: str
    kind: str
    state: IntentState
    wish: tuple[tuple[str, str], ...]
    steps: tuple[tuple[float, tuple[str, ...]], ...]
    outlook: str


def done(journal: Location) -> list[Done]:
    """What was sent last, newest first; nothing where there is no journal yet. Raises
    JournalUnavailable, OSError."""
    if not is_there(journal):
        return []
    states = [state for state in IntentState if state is not IntentState.PLANNED]
    with reading(journal) as opened:
        found = opened.summaries(states, limit=SHOWN)
        return [_done(opened, each.name.key) for each in found]


def _done(journal: Reading, key: str) -> Done:
    history = journal.history(key)
    intent = history.intent
    own = [each for each in history.attempts if each.intent == key]
    ends = [each for each in own if each.outcome is not None]
    last = ends[-1] if ends else None
    outcome = last.outcome if last else None
    params = intent.params
    return Done(
        key=key,
        kind=intent.name.kind,
        subject=str(params.get("call") or params.get("job") or intent.family.partition("/")[2]),
        state=intent.state,
        outcome=outcome.kind if outcome else None,
        is_final=outcome is not None and outcome.is_final,
        # A claim or a clean-up has no block of its own.
        aimed=None if intent.name.kind in _ANY_BLOCK else intent.first_block,
        mined=last.block_number if last else None,
        balance=outcome.balance if outcome else None,
        at=outcome.judged_at if outcome else intent.created_at,
    )


def days(journal: Location, now: float | None = None) -> list[Day]:
    """The last DAYS days of all accounts, oldest first, those without anything too; none where
    there is no journal yet. Raises JournalUnavailable, OSError."""
    if not is_there(journal):
        return []
    today = datetime.fromtimestamp(time.time() if now is None else now, timezone.utc).date()
    wanted = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))]
    with reading(journal) as opened:
        found = statements(opened.bookings(), by=[By.DAY], since=wanted[0])
    sums: dict[str, list[Sums]] = {}
    for statement in found:
        for subject, line in statement.lines.items():
            sums.setdefault(dict(subject)["day"], []).append(line)
    return [_day(day, sums) for day in wanted]


def _day(day: str, sums: Mapping[str, list[Sums]]) -> Day:
    lines = sums.get(day, [])
    return Day(
        day,
        earned=sum(each.earned for each in lines),
        spent=sum(each.spent + each.lost for each in lines),
    )


def story(journal: Location, key: str) -> Story | None:
    """All about the intent with this key; None where there is none. Raises JournalUnavailable,
    OSError."""
    with reading(journal) as opened:
        if not opened.has(key):
            return None
        history = opened.history(key)
    intent = history.intent
    return Story(
        key=key,
        kind=intent.name.kind,
        state=intent.state,
        wish=tuple(journal_story.wish(intent)),
        steps=tuple((step.at, step.lines) for step in journal_story.steps(history)),
        outlook=journal_story.outlook(history),
    )
