"""One of several programs that share an account and a journal: hits the Counter so many times.

Run as a process of its own: endpoint, journal, who signs (a key, or the address of an account that
the node has unlocked), counter, the contract that it acts for, how often, how many more a head.
"""

import asyncio
import sys
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.chain.connection import connect
from scheduler.chain.fingerprint import fingerprint
from scheduler.chain.node import JsonRpcNode
from scheduler.locks import hold_when_free
from scheduler.service import PASSING
from scheduler.transactions.custody import actor
from scheduler.transactions.desk import Desk
from scheduler.transactions.fees import FeePolicy
from scheduler.transactions.flow import Flow
from scheduler.transactions.guard import Guard
from scheduler.transactions.intents import Intent
from scheduler.transactions.journal import Account, Journal
from scheduler.transactions.signers import KeySigner, NodeSigner, Signer
from tests.transactions.rig import CONFIRMATIONS, ETHER, HIT, Touches, rules_for

# A custodian that looks after what this program left holds its lock that long at most.
PATIENCE = 30.0


async def work(
    endpoint: str, path: Path, who: str, counter: str, contract: str, count: int, batch: int
) -> None:
    """Wants `batch` more hits with every head, until all are final; says what troubles it."""
    node = JsonRpcNode(connect(endpoint))
    signer: Signer = NodeSigner(node, who)
    if len(who) == 64:
        signer = KeySigner(PrivateKey(bytes.fromhex(who)))
    account = Account(await fingerprint(node, development=True), signer.address)
    journal = Journal.open(path)
    nonces = await node.nonces(account.address)
    journal.admit(account, accounted=nonces.pending)
    family = Touches(contract)
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
    wanted = len(journal.intent_states([wish.key for wish in wishes]))
    with hold_when_free(actor(family.name, account, contract), PATIENCE):
        guard = Guard(signer, node, rules_for(counter), journal)
        flow = Flow(Desk(node, 1337, account, guard, journal, FeePolicy(), [family]), CONFIRMATIONS)
        async for event in node.follow():
            wanted = min(wanted + batch, count)
            family.wishes = wishes[:wanted]
            try:
                await flow.on(event)
            except PASSING as trouble:
                print(f"head {event.head.number}: {trouble!r}", file=sys.stderr)
                continue
            if wanted == count and flow.in_flight == 0:
                break
        flow.close()
    journal.close()
    await node.close()


if __name__ == "__main__":
    where, file, secret, at, mine, many, more = sys.argv[1:]
    asyncio.run(work(where, Path(file), secret, at, mine, int(many), int(more)))
