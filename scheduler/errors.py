"""The two ways in which a program cannot go on: the operator must act, or time must pass."""


class Misconfigured(Exception):
    """Only the operator can mend it, in a file or a flag: exit status 2.

    The message is one line: what is wrong, where, and what to write or run; or one for each thing.
    """


class NotYet(Exception):
    """Something outside is not as it must be, and may become so: wait, and say so once.

    The message is one line: what is waited for and what the operator may do about it.
    """


class HeldElsewhere(NotYet):
    """Another process does this work already: exit status 1 for a command typed by hand."""


class StandingBy(HeldElsewhere):
    """Another box does this work: to wait for its end is all that this one is there for."""


class Outdated(Exception):
    """What a program was put together for is not so any more: it is put together again.

    The message is one line: what changed.
    """


def exit_status(error: Exception) -> int:
    """The exit status of a command that ends with this error."""
    return 1 if isinstance(error, HeldElsewhere) else 2
