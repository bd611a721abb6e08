"""A database whose transactions begin with a look at who may write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from scheduler.transactions.journal.database import Database
from scheduler.transactions.journal.values import Row

# Runs a named query within the transaction that has just begun; see Database.run.
Run: TypeAlias = Callable[..., list[Row]]


class Fenced:
    """A database (see there); `check` raises where this process may not write any more."""

    def __init__(self, database: Database, check: Callable[[Run], None]) -> None:
        self._database = database
        self._check = check
        self._is_inside = False
        self.run = database.run
        self.run_each = database.run_each
        self.read = database.read
        self.close = database.close

    @contextmanager
    def together(self, durable: bool = True, hurried: bool = False) -> Iterator[None]:
        """As the database's own. Raises what `check` raises as well, and then has written nothing.

        It is alone from the beginning: what was found then is true when it commits.
        """
        with self._database.together(durable, hurried):
            if self._is_inside:
                yield
                return
            self._check(self._database.run)
            self._is_inside = True
            try:
                yield
            finally:
                self._is_inside = False
