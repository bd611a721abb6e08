"""A client with nothing but a WebSocket: at a head it sends bytes that were signed before.

python -m benchmarks.parts.bare ENDPOINT PARITY [FILE] reads rounds of raw transactions from
standard input (JSON: lists of hex) and sends one round at each head whose number is even (PARITY 0)
or odd (1). With a FILE it first writes them into an SQLite database there, in one durable commit,
and reads a block: what a program that keeps a journal cannot do without. It ends with its last
round.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from typing import Any

from websockets.asyncio.client import connect

WANTED = 10**9


def request(id_: int, method: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def journal(path: str) -> Callable[[Sequence[str]], None]:
    """Writes transactions durably, as the journal does: WAL, synchronous=FULL."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE attempts (raw TEXT NOT NULL)")

    def write(raws: Sequence[str]) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO attempts VALUES (?)", [(raw,) for raw in raws])
        database.execute("COMMIT")

    return write


async def answer(node: Any, id_: int) -> None:
    """Waits for the answer to this request, or to a batch that begins with it."""
    while True:
        message = json.loads(await node.recv())
        first = message[0] if isinstance(message, list) else message
        if first.get("id") == id_:
            return


async def main(endpoint: str, parity: int, path: str | None) -> None:
    rounds: list[list[str]] = json.load(sys.stdin)
    write = None if path is None else journal(path)
    async with connect(endpoint, compression=None, max_size=None, proxy=None) as node:
        await node.send(json.dumps(request(1, "eth_subscribe", "newHeads")))
        while rounds:
            message = json.loads(await node.recv())
            head = message.get("params", {}).get("result", {}) if "params" in message else None
            if head is None or int(head["number"], 16) % 2 != parity:
                continue
            raws = rounds.pop(0)
            if write is not None:
                write(raws)
                await node.send(
                    json.dumps(request(WANTED, "eth_getBlockByHash", head["hash"], False))
                )
                await answer(node, WANTED)
            batch = [request(2 + at, "eth_sendRawTransaction", raw) for at, raw in enumerate(raws)]
            await node.send(json.dumps(batch))
            await answer(node, 2)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None))
