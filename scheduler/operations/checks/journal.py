"""What can be wrong with the journal, and what it says is wrong with the work."""

from pathlib import Path

from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Facts
from scheduler.operations.wording import count

_VIOLATIONS = {
    "done_twice": "done twice",
    "in_slot_without_slot": "in a slot, and there is none",
    "slot_without_attempt": "a slot without a transaction",
    "succeeded_without_outcome": "succeeded without an outcome",
}

# A key that is told must be findable; more of them than that are a list of their own.
_SHOWN = 3


def readable(facts: Facts) -> Verdict:
    path = facts.configured.journal
    why = facts.unread.get("journal")
    if why is not None:
        return wrong(f"the journal cannot be read: {why}", f"see: ls -la {path}*")
    if facts.journal is None:
        if any(each.path == str(Path(path).parent) and each.missing for each in facts.files or ()):
            return wrong(
                f"the journal's directory {Path(path).parent} is not there",
                f"mount its volume: findmnt {Path(path).parent}; sudo mount -a",
            )
        return fine("there is none yet: nothing was sent")
    return fine(f"{path}, {facts.journal.size / 2**20:.1f} MiB")


def turns(facts: Facts) -> Verdict:
    if facts.journal is not None and facts.journal.turns is not None:
        return wrong(
            f"no program can write the journal: {facts.journal.turns}",
            f"see who keeps it: fuser -v {facts.journal.path}",
        )
    why = facts.unread.get("turns")
    if why is not None:
        return wrong(f"the journal does not answer: {why}", "df -h; dmesg | tail")
    return fine("a writer gets its turn")


def quarantine(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    if not journal.quarantines:
        return fine("nothing keeps the account from sending")
    [first, *_] = journal.quarantines
    reason = f"{first.account} is in quarantine ({first.why}): nothing new is sent from it"
    account = facts.account
    quiet = account is not None and account.pending == account.latest
    if first.why == "new" and quiet:
        return worth_knowing(
            f"{reason} until three blocks have passed",
            "wait; or, if nothing of it is on its way: scheduler journal trust",
        )
    return wrong(
        f"{reason} while the journal may not know what is on its way",
        "wait until what is pending is mined; if you know of it: scheduler journal trust",
    )


def suspended(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    keys = journal.suspended
    if keys:
        more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        return wrong(
            f"{count(len(keys), 'intent')} failed so often that only you may resume "
            f"{'it' if len(keys) == 1 else 'them'}: {', '.join(keys[:_SHOWN])}{more}",
            f"see why: scheduler journal show {keys[0]}; then: scheduler journal retry {keys[0]}",
        )
    return fine("nothing is suspended")


def holds(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    if journal.holds:
        held = journal.holds[0]
        whose = "all programs are" if held.scope == "all" else f"{held.scope} is"
        why = f" ({held.why})" if held.why else ""
        return worth_knowing(
            f"{whose} held back by {held.by}{why}: nothing new is sent",
            f"scheduler resume {'--all' if held.scope == 'all' else held.scope}",
        )
    return fine("nothing is held back")


def open_slots(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    waiting = [slot for slot in journal.open_slots if not slot.mined]
    old = [slot for slot in waiting if slot.age > facts.limits.slot_age]
    if old:
        slot = old[0]
        which = f" for {slot.intent}" if slot.intent else ""
        return wrong(
            f"{count(len(old), 'transaction')} not mined for {slot.age:.0f} s, the oldest with "
            f"nonce {slot.nonce}{which}",
            f"raise its price: scheduler journal bump {slot.intent or 'KEY'}; or give it up: "
            f"scheduler journal cancel {slot.intent or 'KEY'}",
        )
    return fine(f"{count(len(waiting), 'transaction')} on the way")


def losses(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    if journal.losses:
        return worth_knowing(
            f"{count(journal.losses, 'transaction')} of the last 24 hours did nothing, reverted, "
            "or lost a deposit",
            "see which: scheduler journal list; what it cost: scheduler report --days 1",
        )
    return fine("all of the last 24 hours did what they were for")


def invariants(facts: Facts) -> Verdict:
    journal = facts.journal
    if journal is None:
        return _unread(facts)
    broken = {name: number for name, number in journal.violations.items() if number}
    if broken:
        told = ", ".join(f"{number} {_VIOLATIONS[name]}" for name, number in broken.items())
        return wrong(
            f"the journal contradicts itself, which is a fault of this program: {told}",
            "scheduler pause; keep what is in it: scheduler journal export; and report it",
        )
    return fine("what must never be in it is not")


def _unread(facts: Facts) -> Verdict:
    return unknown(facts.unread.get("journal", "there is no journal yet"))


CHECKS = (
    Check("journal.readable", "the journal can be read", readable, (1,)),
    Check("journal.turns", "the journal can be written", turns, (1, 10)),
    Check("journal.quarantine", "the account may send", quarantine, (5,)),
    Check("journal.suspended", "nothing waits for you", suspended),
    Check("journal.holds", "nothing is held back", holds),
    Check("journal.open_slots", "nothing waits for ever", open_slots, (4,)),
    Check("journal.losses", "nothing is sent in vain", losses, (3,)),
    Check("journal.invariants", "what must be zero is", invariants, (1, 2)),
)
