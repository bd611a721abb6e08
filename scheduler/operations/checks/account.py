"""What can be wrong with the account that sends."""

from scheduler.operations.checks.model import Check, Verdict, fine, unknown, worth_knowing, wrong
from scheduler.operations.facts.model import Account, Facts
from scheduler.operations.wording import count, ether


def not_empty(facts: Facts) -> Verdict:
    account = facts.account
    if account is None:
        return _unread(facts)
    if account.balance < account.transfer_cost or account.balance == 0:
        return wrong(
            f"the account {account.address} is empty: {ether(account.balance)}, while the simplest "
            f"transaction costs {ether(account.transfer_cost)}; nothing can be sent",
            _send(account),
        )
    return fine(f"{account.address} has {ether(account.balance)}")


def lasts(facts: Facts) -> Verdict:
    account, limits = facts.account, facts.limits
    if account is None:
        return _unread(facts)
    if account.balance < limits.balance:
        return wrong(
            f"the account has {ether(account.balance)}, less than monitor.balance, "
            f"{ether(limits.balance)}",
            _send(account),
        )
    if account.days_left is not None and account.days_left < limits.gas_days:
        return wrong(
            f"the account's {ether(account.balance)} are gone in {account.days_left:.1f} days at "
            f"{ether(account.per_day)} a day for gas",
            _send(account),
        )
    if account.days_left is None:
        return fine("nothing was spent in the last week")
    return fine(f"it does for {account.days_left:.0f} days")


def nonces(facts: Facts) -> Verdict:
    account = facts.account
    if account is None:
        return _unread(facts)
    if account.next_nonce is None:
        return fine("the journal has not sent from it yet")
    strangers = account.latest - account.next_nonce
    if strangers > 0:
        return wrong(
            f"{count(strangers, 'transaction')} of the account that the journal does not know "
            f"{'was' if strangers == 1 else 'were'} mined: somebody else sends from it",
            "stop whoever does; the account is for this box alone: scheduler journal list",
        )
    return fine(f"the next nonce is {account.latest}, {account.pending - account.latest} wait")


def custodian(facts: Facts) -> Verdict:
    account, journal = facts.account, facts.journal
    if account is None or journal is None:
        return unknown("the account or the journal could not be read")
    waiting = [slot for slot in journal.open_slots if slot.account == account.address]
    # Whichever program runs takes over what is left by those that do not.
    at_work = [each.name for each in facts.programs or () if each.life and each.life.fresh]
    if waiting and not at_work and account.custodian is None:
        return wrong(
            f"{count(len(waiting), 'transaction')} of the account "
            f"{'is' if len(waiting) == 1 else 'are'} on the way, and no program looks after "
            f"{'it' if len(waiting) == 1 else 'them'}",
            f"supervisorctl start {waiting[0].program}",
        )
    return fine(f"{count(len(waiting), 'transaction')} on the way, looked after")


def strangers(facts: Facts) -> Verdict:
    if facts.journal is None:
        return unknown(facts.unread.get("journal", "there is no journal yet"))
    if facts.journal.strangers:
        return worth_knowing(
            f"{count(facts.journal.strangers, 'nonce')} that the journal gave out "
            "were used by what it does not know",
            "see which: scheduler report",
        )
    return fine("every nonce was used by what the journal knows")


def _send(account: Account) -> str:
    return f"send ether to {account.address}; how much it should have: scheduler config needs"


def _unread(facts: Facts) -> Verdict:
    return unknown(f"the account could not be read: {facts.unread.get('account', 'not asked')}")


CHECKS = (
    Check("account.not_empty", "the account can pay", not_empty, (10,)),
    Check("account.lasts", "its balance does for a while", lasts, follows=("account.not_empty",)),
    Check("account.nonces", "nobody else sends from it", nonces, (5, 9)),
    Check("account.custodian", "what is on its way is looked after", custodian, (4, 9)),
    Check("account.strangers", "its nonces are the journal's", strangers, (2, 5)),
)
