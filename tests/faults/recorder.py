"""The recorder: whatever transaction is on its way to the node, was it journaled before?"""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak


class Recorder:
    """Reads the journal for each transaction that a program says to its node.

    `journal` answers the file as it would be found after a crash at this moment. `sent` are the
    transactions that passed, as hashes of raw ones and as account and nonce of the others;
    `violations` those not in the journal.
    """

    def __init__(self, journal: Callable[[], Path]) -> None:
        self._journal = journal
        self.sent: list[str] = []
        self.violations: list[str] = []

    def look_at(self, request: dict[str, Any]) -> None:
        method = request["method"]
        if method == "eth_sendRawTransaction":
            raw = bytes.fromhex(request["params"][0][2:])
            hash_ = "0x" + keccak(raw).hex()
            query = "SELECT 1 FROM attempts WHERE hash = ? AND raw = ?"
            self._record(hash_, query, (hash_, raw))
        elif method == "eth_sendTransaction":
            fields = request["params"][0]
            slot = (fields["from"], int(fields["nonce"], 16))
            query = (
                "SELECT 1 FROM attempts WHERE account = ? AND nonce = ? AND raw IS NULL"
                " AND json(fields) = json(?)"
            )
            self._record(str(slot), query, (*slot, json.dumps(fields)))

    def _record(self, name: str, query: str, values: tuple[object, ...]) -> None:
        self.sent.append(name)
        try:
            uri = f"file:{self._journal()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as journal:
                found = journal.execute(query, values).fetchone() is not None
        except sqlite3.OperationalError:  # the file or the table is not there
            found = False
        if not found:
            self.violations.append(name)
