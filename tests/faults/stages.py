"""What is there to be done in a case, and how the chain tells that it was done once."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from eth_keys.datatypes import PrivateKey
from eth_utils.crypto import keccak

from scheduler.chain.model import Address
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.evidence import Witness
from scheduler.devchain.scheduling import CallRequest, schedule
from tests.faults.worker import Task
from tests.transactions.rig import ETHER, Bench

SIGNERS = ("keystore", "node", "node that only sends")

# How the nodes are told to make a block: geth --dev.period 0 makes one for each withdrawal, and
# for each transaction besides.
MINING: Mapping[str, tuple[str, list[object]]] = {
    "anvil": ("anvil_mine", []),
    "geth": (
        "dev_addWithdrawal",
        [{"index": "0x0", "validatorIndex": "0x0", "address": "0x" + "11" * 20, "amount": "0x1"}],
    ),
}

# What blocks cost before and after the price rises beyond what anybody has bid, wei per gas.
CHEAP, DEAR = 10**9, 500 * 10**9
BASE_FEE = "anvil_setNextBlockBaseFeePerGas"

# Three hits that share a commit, and one that comes while the others are in flight: the first block
# of each, counted from the one that a worker begins with, and the last.
NEVER = 2**31
HITS = (("a", 0, NEVER), ("b", 0, NEVER), ("c", 0, NEVER), ("later", 3, NEVER))

# Blocks before the target at which a worker begins; the Scheduler asks for ten at scheduling.
LEAD = 2
LEAST_AHEAD = 12


@dataclass(frozen=True)
class Places:
    """Where a case's worker finds the node, its journal, and writes what it passed."""

    wire: str
    journal: str
    report: str


@dataclass(frozen=True)
class Scene:
    """One case's work: its task, and what the chain finds wrong with its effects."""

    task: Task
    wrong: Callable[[], list[str]]


class Stage(Protocol):
    """A node on which scenes are set: `way` is its socket or WebSocket, `signs` says whether it
    has eth_signTransaction."""

    @property
    def way(self) -> str: ...

    @property
    def signs(self) -> bool: ...

    def scene(self, places: Places) -> Scene: ...


class Hits:
    """Intents to hit the counter. Every scene has an account of its own, but for those of geth's
    one unlocked account."""

    def __init__(self, bench: Bench, signer: str = "keystore") -> None:
        self._bench = bench
        self._signer = signer
        self.node = bench.node
        self.way = bench.way
        self.signs = signer != "node that only sends"

    def scene(self, places: Places) -> Scene:
        return self._scene(places, HITS, [MINING[self.node.kind]], len(HITS), {len(HITS)})

    def _scene(
        self,
        places: Places,
        wishes: Sequence[tuple[str, int, int]],
        mining: Sequence[tuple[str, list[object]]],
        effects: int,
        nonces: Set[int],
    ) -> Scene:
        """One whose wishes have so many effects, and take one of these numbers of nonces."""
        bench = self._bench
        counter = bench.counter  # its deployment is none of the account's transactions
        key = bench.key() if self._signer == "keystore" else None
        address = self._address(key)
        hits, nonce, head = bench.hits(address), bench.nonce(address), bench.head
        task = Task(
            wire=places.wire,
            journal=places.journal,
            report=places.report,
            node=self.node.http,
            mining=mining,
            contract=counter,
            address=address,
            key=key.to_bytes().hex() if key else None,
            effects=effects,
            wishes=[(name, head + first, head + last) for name, first, last in wishes],
        )

        def wrong() -> list[str]:
            used = bench.nonce(address) - nonce
            return [
                *unlike("hits", bench.hits(address) - hits, effects),
                *([] if used in nonces else [f"nonces: {used} instead of {nonces}"]),
            ]

        return Scene(task, wrong)

    def _address(self, key: PrivateKey | None) -> Address:
        if key is not None:
            return key.public_key.to_address()
        return next(self._bench.unlocked, self._bench.rich)


class DearHits(Hits):
    """Hits that get stuck, since blocks become dear on anvil: prices rise, and the one that is too
    late by then is cancelled."""

    def __init__(self, bench: Bench, signer: str = "keystore") -> None:
        super().__init__(bench, signer)
        bench.counter  # noqa: B018 - mined before anything is dear
        self._calm = bench.endpoint.request("evm_snapshot")

    def scene(self, places: Places) -> Scene:
        # Nodes suggest what was paid lately: each scene would be dearer than the one before.
        endpoint = self._bench.endpoint
        assert endpoint.request("evm_revert", self._calm)
        self._calm = endpoint.request("evm_snapshot")
        for method, parameters in ((BASE_FEE, [hex(CHEAP)]), MINING["anvil"]):
            endpoint.request(method, *parameters)
        mining: list[tuple[str, list[object]]] = [(BASE_FEE, [hex(DEAR)]), MINING["anvil"]]
        # A worker that begins late after a kill does not even try what is late.
        count = len(HITS)
        return self._scene(places, [("late", 0, 2), *HITS], mining, count, {count, count + 1})


class Calls:
    """Scheduled calls, which the real program executes with an account of its own per scene."""

    CALLS = 2

    signs = True

    def __init__(self, chain: DevelopmentChain) -> None:
        """On anvil, which from now on mines only when it is told to."""
        self._chain = chain
        self._customer = Wallet(chain.endpoint, Role.CUSTOMER)
        self._witness = Witness(chain.node.http)
        self._scenes = 0
        self.node = chain.node
        self.way = str(chain.node.ipc)

    def scene(self, places: Places) -> Scene:
        endpoint, counter = self._chain.endpoint, self._chain.deployment.counter
        self._scenes += 1
        key = PrivateKey(keccak(text=f"executor {self._scenes} of {self.node.port}"))
        address = key.public_key.to_address()
        endpoint.request("anvil_setBalance", address, hex(ETHER))
        endpoint.request("evm_setAutomine", True)
        target = endpoint.number("eth_blockNumber") + LEAST_AHEAD + self.CALLS
        calls = [
            schedule(self._customer, self._chain.deployment.scheduler, CallRequest(counter, target))
            for _ in range(self.CALLS)
        ]
        endpoint.request("evm_setAutomine", False)
        missing = target - LEAD - endpoint.number("eth_blockNumber")
        endpoint.request("anvil_mine", hex(missing))
        task = Task(
            wire=places.wire,
            journal=places.journal,
            report=places.report,
            node=self.node.http,
            mining=[MINING[self.node.kind]],
            contract=self._chain.deployment.scheduler,
            address=address,
            key=key.to_bytes().hex(),
            effects=self.CALLS,
        )

        def wrong() -> list[str]:
            found = [self._witness.testify(call, counter) for call in calls]
            effects = [(evidence.outcome, evidence.effects) for evidence in found]
            nonce = endpoint.number("eth_getTransactionCount", address, "latest")
            return [
                *unlike("calls", effects, [("succeeded", 1)] * self.CALLS),
                *unlike("nonces", nonce, self.CALLS),
            ]

        return Scene(task, wrong)


def unlike(what: str, found: object, expected: object) -> list[str]:
    """What to say of something that is not as it must be."""
    return [] if found == expected else [f"{what}: {found} instead of {expected}"]
