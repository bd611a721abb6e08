"""How far a contract's logs were searched, and what was found: a restart goes on from there."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.chain.model import Address, Hash
from scheduler.transactions.journal.values import Rows


@dataclass(frozen=True, slots=True)
class Search:
    """The logs about one subject were searched up to this block; `found` is what still matters of
    them, as who searches writes it (JSON data).

    It holds as long as `block` is on the chain.
    """

    number: int
    block: Hash
    found: list[Any]


class Searches:
    """Searches of a contract's logs, by subject. Nothing of it must be kept: it can be read again,
    so a power cut may undo what was noted last."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def of(self, chain: str, contract: Address) -> dict[str, Search]:
        """What was noted about this contract on this chain, by subject."""
        rows = self._rows.read("searches.of", chain=chain, contract=contract)
        return {
            subject: Search(number, block, json.loads(found))
            for subject, number, block, found in rows
        }

    def note(self, chain: str, contract: Address, searches: Mapping[str, Search]) -> None:
        """Notes these, each in place of what was noted about its subject."""
        with self._rows.together(durable=False):
            for subject, search in searches.items():
                self._rows.run(
                    "searches.note",
                    chain=chain,
                    contract=contract,
                    subject=subject,
                    number=search.number,
                    block=search.block,
                    found=json.dumps(search.found),
                )

    def keep(self, chain: str, contract: Address, subjects: Collection[str]) -> None:
        """Forgets what was noted about other subjects of this contract."""
        with self._rows.together(durable=False):
            self._rows.run(
                "searches.keep", chain=chain, contract=contract, subjects=json.dumps([*subjects])
            )
