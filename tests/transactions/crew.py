"""One of several programs that share an account and a journal: hits the Counter so many times.

Run as a process of its own: endpoint, journal, key, counter, the contract that it acts for, count.
"""

import asyncio
import sys
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.chain.connection import connect
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.node import JsonRpcNode
from scheduler.locks import Lock
from scheduler.transactions.custody import actor
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.sender import Desk
from scheduler.transactions.signers import KeystoreSigner
from tests.transactions.rig import CONFIRMATIONS, ETHER, HIT, Touches

BATCH = 5


async def work(
    endpoint: str, path: Path, key: PrivateKey, counter: str, contract: str, count: int
) -> None:
    """Wants `BATCH` more hits with every head, until all are final."""
    node = JsonRpcNode(connect(endpoint))
    signer = KeystoreSigner(key)
    account = Account(await fingerprint(node, development=True), signer.address)
    journal = Journal.open(path)
    family = Touches(contract)
    lock = Lock(actor(family.name, account, contract))
    wishes = [
        Intent(
            key=f"{contract}:{number}",
            family=family.name,
            kind="hit",
            chain=account.chain,
            contract=contract,
            params={"name": str(number)},
            to=counter,
            data=HIT,
            gas=100_000,
            first_block=0,
            last_block=2**31,
            max_cost=ETHER,
        )
        for number in range(count)
    ]
    flow = Flow(Desk(node, 1337, account, signer, journal, FeePolicy(), [family]), CONFIRMATIONS)
    async for event in node.follow():
        family.wishes = wishes[: len(family.wishes) + BATCH]
        await flow.on(event)
        if len(family.wishes) == count and flow.in_flight == 0:
            break
    flow.close()
    lock.release()
    journal.close()
    await node.close()


if __name__ == "__main__":
    where, file, secret, at, mine, many = sys.argv[1:]
    asyncio.run(work(where, Path(file), PrivateKey(bytes.fromhex(secret)), at, mine, int(many)))
