"""An intent's whole story in plain words, in order of time. Pure: records in, lines out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scheduler.operations.wording import count, ether, gwei, local_time, printable
from scheduler.transactions.intents import ANY_COST, NO_LAST_BLOCK, Urgency
from scheduler.transactions.journal.orders import OrderState, What
from scheduler.transactions.journal.records import (
    AttemptRecord,
    DepositRecord,
    History,
    IntentRecord,
    OrderRecord,
    OutcomeRecord,
    ReorgRecord,
    SlotRecord,
)
from scheduler.transactions.retries import Failures
from scheduler.transactions.states import (
    MINED_FAILURES,
    AttemptState,
    IntentState,
    OutcomeKind,
    Purpose,
    SlotState,
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened; `at` in seconds since the epoch, `lines` what it was."""

    at: float
    lines: tuple[str, ...]


OUTCOMES: Mapping[OutcomeKind, str] = {
    OutcomeKind.SUCCEEDED: "it did what it was for",
    OutcomeKind.TARGET_FAILED: "ours was done, the contract that it was done for failed",
    OutcomeKind.NO_EFFECT: "mined, but without effect",
    OutcomeKind.DEPOSIT_LOST: "mined without effect, and the contract kept what was sent along",
    OutcomeKind.REVERTED: "mined, and the transaction reverted",
    OutcomeKind.EXPIRED: "cancelled, since its window passed",
    OutcomeKind.ABANDONED: "cancelled, since it was given up",
}

_URGENCIES: Mapping[Urgency, str] = {
    Urgency.REPAIR: "repair: it gets the account going again, and no budget keeps it back",
    Urgency.URGENT: "urgent: its price is raised as soon as it misses a block",
    Urgency.NORMAL: "normal: its price is raised when it has missed some blocks",
}

_ORDERS: Mapping[What, str] = {
    What.BUMP: "bump, a next bid for its slot at once",
    What.CANCEL: "cancel, give it up and free its slot",
    What.RETRY: "retry, plan it again",
}

_PROGRESS: Mapping[AttemptState, str] = {
    AttemptState.SIGNED: "It may have left; no node's answer is known.",
    AttemptState.BROADCAST: "A node took it; it is in no block.",
    AttemptState.MINED: "It is in block {block}, which is not final yet.",
    AttemptState.FINAL: "It is in block {block}, finally.",
    AttemptState.REPLACED: "It can never be mined: another transaction used its nonce.",
}


def wish(intent: IntentRecord) -> list[tuple[str, str]]:
    """What was wanted, as pairs of a heading and its text."""
    sent = [ether(intent.value), count(len(intent.data), "byte") + " of data"]
    selector = f", function 0x{intent.data[:4].hex()}" if len(intent.data) >= 4 else ""
    return [
        ("key", printable(intent.name.key)),
        ("for", f"{intent.family}, contract {intent.name.contract}"),
        ("what", printable(", ".join(f"{name} {text}" for name, text in intent.params.items()))),
        ("call", f"to {intent.recipient} with {' and '.join(sent)}{selector}"),
        ("gas", f"at most {intent.gas:,}"),
        ("window", _window(intent)),
        ("urgency", _URGENCIES[intent.urgency]),
        ("may cost", _may_cost(intent)),
        ("proof", _proof(intent)),
        ("sent if", "simulated as " + " or ".join(kind.value for kind in intent.worth_sending)),
    ]


def _proof(intent: IntentRecord) -> str:
    if intent.proof is None:
        return "none; without one, only a transfer of nothing to oneself is signed"
    return f"at block {intent.proof.block}, {printable(intent.proof.says)}"


def steps(history: History) -> list[Step]:
    """What happened, oldest first."""
    began = history.intent.created_at
    found = [Step(began, ("It was written down.",))]
    # A slot may be older than what took it over.
    found += [_placed(slot, since=began) for slot in history.slots]
    bids: set[int] = set()
    for attempt in history.attempts:
        found.append(_tried(attempt, history.intent, attempt.nonce in bids))
        bids.add(attempt.nonce)
        if attempt.outcome is not None:
            found.append(_ended(attempt, attempt.outcome, history.intent))
    for ordered in history.orders:
        found += _ordered(ordered)
    for reorg in history.reorgs:
        found.append(_removed(reorg))
    for deposit in history.deposits:
        if deposit.settled_at is not None:
            found.append(Step(deposit.settled_at, (_settled(deposit),)))
    # What one commit wrote has one time, and stays in this order.
    return sorted(found, key=lambda step: step.at)


def outlook(history: History) -> str:
    """What is still open, and what happens next."""
    intent, state = history.intent, history.intent.state
    failures = _failures(history)
    if state is IntentState.PLANNED and failures is not None:
        return (
            f"It failed {count(failures.count, 'time')}: it is sent again from block "
            f"{failures.next_try} on, when it is due and a simulation says that it is worth it."
        )
    if state is IntentState.PLANNED:
        return (
            f"It is in no slot: it is sent when it is due{_until(intent)}, if it is still "
            "wanted then."
        )
    if state is IntentState.SUSPENDED:
        return (
            "It failed so often that it is not sent again until you say so: scheduler journal "
            f"retry {printable(intent.name.key)}"
        )
    if state is IntentState.IN_SLOT:
        standing = [each.order for each in history.orders if each.order.state is OrderState.OPEN]
        orders = [f"The order to {order.what.value} it is carried out next." for order in standing]
        return " ".join([*orders, _waiting(history)])
    if any(slot.state is SlotState.OPEN for slot in history.slots):
        return (
            "Its block is not final yet: if a reorg removes it, the same bytes are pending again "
            "and nothing of the outcome holds."
        )
    out = sum(each.amount for each in history.deposits if each.settled_at is None)
    if out:
        return f"Its deposit of {ether(out)} is with the contract until the call is over."
    return "Nothing is open: this is final."


def _failures(history: History) -> Failures | None:
    """Its final failures, if it has any that the operator has not forgiven."""
    blocks = [
        each.block_number or 0
        for each in history.attempts
        if each.intent == history.intent.name.key
        and each.outcome is not None
        and each.outcome.is_final
        and each.outcome.kind in MINED_FAILURES
    ]
    counting = len(blocks) - history.intent.pardoned
    return Failures(counting, max(blocks)) if counting > 0 else None


def _waiting(history: History) -> str:
    own = [each for each in history.attempts if each.intent == history.intent.name.key]
    last = own[-1]
    if any(each.state is AttemptState.MINED for each in own):
        return "Its cancellation is in a block; it has ended when that block is final."
    if last.purpose is Purpose.CANCEL:
        return (
            "It is being cancelled by a transfer of nothing in its slot; whichever of the two is "
            "mined first decides."
        )
    if last.state is AttemptState.SIGNED:
        return "The same bytes are sent again with every block until a node has them."
    return (
        "It waits for its block; at a higher price if it waits too long, and it is cancelled when "
        "it can do no good any more."
    )


def _until(intent: IntentRecord) -> str:
    return "" if intent.last_block == NO_LAST_BLOCK else f", up to block {intent.last_block}"


def _window(intent: IntentRecord) -> str:
    if intent.last_block == NO_LAST_BLOCK:
        return f"from block {intent.first_block} on"
    return f"blocks {intent.first_block} to {intent.last_block}"


def _may_cost(intent: IntentRecord) -> str:
    if intent.max_cost == ANY_COST:
        return "what its gas costs"
    if intent.max_cost == 0:
        return "no more than it earns"
    if intent.max_cost < 0:
        return f"at least {ether(-intent.max_cost)} less than it earns"
    return f"at most {ether(intent.max_cost)} more than it earns"


def _placed(slot: SlotRecord, since: float) -> Step:
    end = "It is still open."
    if slot.state is SlotState.CONSUMED:
        end = f"It was consumed by {slot.consumed_by}, finally."
    given = f"It was given a slot: nonce {slot.nonce} of {slot.account}."
    return Step(max(slot.created_at, since), (given, end))


def _tried(attempt: AttemptRecord, intent: IntentRecord, again: bool) -> Step:
    return Step(attempt.created_at, tuple(_tried_lines(attempt, intent, again)))


def _tried_lines(attempt: AttemptRecord, intent: IntentRecord, again: bool) -> Iterator[str]:
    """`again`: its slot has an older attempt."""
    if attempt.intent != intent.name.key:
        what = f"A transaction of {printable(attempt.intent)} for the same slot {attempt.nonce}"
    elif attempt.purpose is Purpose.CANCEL:
        what = f"A cancellation of slot {attempt.nonce}, a transfer of nothing to oneself"
    elif again:
        what = f"The same at another price for slot {attempt.nonce}"
    else:
        what = f"A transaction for slot {attempt.nonce}"
    how = "signed"
    if attempt.by_node:
        how = "the node was asked to sign and send it"
    elif attempt.is_found:
        how = "seen at the node, and not signed for this journal,"
    yield f"{what}: {how} after block {attempt.head_number}, {_price(attempt.fields)}."
    yield f"Its hash is {attempt.hash}." if attempt.hash else "Its hash is not known yet."
    yield _PROGRESS[attempt.state].format(block=attempt.block_number)


def _ordered(ordered: OrderRecord) -> Iterator[Step]:
    """An order, and its answer if there is one."""
    order = ordered.order
    yield Step(order.at, (f"{printable(order.by)} ordered: {_ORDERS[order.what]}.",))
    if ordered.done_at is not None:
        how = "carried out" if order.state is OrderState.DONE else "refused"
        answer = f"The order to {order.what.value} it was {how}: {printable(order.result or '')}."
        yield Step(ordered.done_at, (answer,))


def _removed(reorg: ReorgRecord) -> Step:
    return Step(
        reorg.removed_at,
        (
            f"A reorg removed block {reorg.block_number}, in which the transaction of slot "
            f"{reorg.nonce} was: {reorg.outcome.value} does not hold any more.",
        ),
    )


def _settled(deposit: DepositRecord) -> str:
    what = f"Its deposit of {ether(deposit.amount)}"
    if deposit.lost:
        return f"{what}: {ether(deposit.lost)} of it are lost ({printable(deposit.detail)})."
    if deposit.returned:
        return (
            f"{what}: {ether(deposit.returned)} of it came by somebody else's transaction "
            f"({printable(deposit.detail)})."
        )
    return f"{what} is back, with a transaction of the account."


def _price(fields: Mapping[str, str]) -> str:
    """The fee fields of a transaction, and the most that it can cost in all."""
    if "gasPrice" in fields:
        most = int(fields["gasPrice"], 16)
        price = f"at {gwei(most)} per gas"
    else:
        most = int(fields["maxFeePerGas"], 16)
        tip = int(fields["maxPriorityFeePerGas"], 16)
        price = f"at most {gwei(most)} per gas, {gwei(tip)} of it as a tip"
    return f"{price}; no more than {ether(most * int(fields['gas'], 16))} for gas"


def _ended(attempt: AttemptRecord, outcome: OutcomeRecord, intent: IntentRecord) -> Step:
    whose = "" if attempt.intent == intent.name.key else f" of {printable(attempt.intent)}"
    if outcome.balance >= 0:
        change = "gained"
    else:
        # The deposit of a claim is not lost yet.
        change = "spent" if outcome.kind is OutcomeKind.SUCCEEDED else "lost"
    net = f"{change} {ether(abs(outcome.balance))}"
    sent = f", sent {ether(outcome.sent)} along" if outcome.sent else ""
    back = f" ({ether(outcome.returned)} of it a deposit)" if outcome.returned else ""
    final = "This is final." if outcome.is_final else "This is not final yet."
    return Step(
        outcome.judged_at,
        (
            f"Outcome{whose} in block {attempt.block_number}: {outcome.kind.value}, "
            f"{OUTCOMES[outcome.kind]} ({printable(outcome.detail)}).",
            f"It used {outcome.gas_used:,} gas at {gwei(outcome.gas_price)}: cost "
            f"{ether(outcome.cost)}{sent}, earned {ether(outcome.earned)}{back}, {net}.",
            final,
        ),
    )


def told(history: History) -> Iterator[str]:
    """The story, line by line."""
    intent = history.intent
    yield f"{intent.name.kind}: {intent.state.value}"
    for heading, text in wish(intent):
        yield f"  {heading:<9} {text}"
    yield ""
    for step in steps(history):
        first, *rest = step.lines
        yield f"{local_time(step.at)}  {first}"
        yield from (f"{'':27}{line}" for line in rest)
    yield ""
    yield f"Next: {outlook(history)}"
