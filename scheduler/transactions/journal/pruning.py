"""What the journal may forget, and how: a little at a time, with all but the sums of its money."""

import json
from collections.abc import Callable, Sequence

from scheduler.transactions.intents import Told
from scheduler.transactions.journal.bookings import Booking, booking_of, day_of
from scheduler.transactions.journal.values import Account, Rows

# So many intents in one transaction: some milliseconds.
BATCH = 50

# Where a walk through the intents is: when the last one was written, and its row.
Place = tuple[float, int]
BEGINNING: Place = (0.0, 0)


class Prunings:
    """Removes what is old and final; each method is one durable transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def prune(
        self,
        account: Account,
        after: Place,
        before: float,
        block: int,
        forgettable: Callable[[Told], bool],
    ) -> tuple[int, Place]:
        """Removes those of the next BATCH candidates of the account's chain that are forgettable.

        Candidates are what was judged `before` this time (seconds since the epoch) and below this
        block; `after` is where the last call ended. Returns how many were removed, and where this
        one ended: at the BEGINNING when there are no more.
        """
        at, row = after
        with self._rows.together():
            found = self._rows.run(
                "pruning.candidates",
                chain=account.chain,
                at=at,
                row=row,
                before=before,
                block=block,
                many=BATCH,
            )
            candidates = [
                Told(key, family, contract, kind, json.loads(params))
                for _, _, key, family, contract, kind, params in found
            ]
            keys = [each.key for each in candidates if forgettable(each)]
            if keys:
                self._book(keys)
                self._remove(json.dumps(keys))
        if len(found) < BATCH:
            return len(keys), BEGINNING
        return len(keys), (found[-1][0], found[-1][1])

    def _remove(self, keys: str) -> None:
        run = self._rows.run
        run("pruning.count_in", keys=keys)
        run("pruning.delete_orders", keys=keys)
        run("pruning.delete_deposits", keys=keys)
        run("pruning.delete_outcomes", keys=keys)
        run("pruning.delete_reorgs", keys=keys)
        run("pruning.delete_attempts", keys=keys)
        slots = run("pruning.delete_placements", keys=keys)
        for chain, account, nonce in slots:
            run("pruning.delete_slot", chain=chain, account=account, nonce=nonce)
        run("pruning.delete_intents", keys=keys)

    def _book(self, keys: Sequence[str]) -> None:
        """Adds what these intents earned and spent to the sums of their days."""
        sums: dict[tuple[object, ...], Booking] = {}
        rows = [row for key in keys for row in self._rows.run("pruning.bookings", key=key)]
        for booking in map(booking_of, rows):
            day = booking.of_its_day()
            where = tuple(day.place.values())
            if where not in sums:
                for row in self._rows.run("pruning.past_day", **day.place):
                    sums[where] = day_of(row)
            sums[where] = sums[where] + day if where in sums else day
        for day in sums.values():
            self._rows.run("pruning.write_past_day", **day.columns)
