"""What became of Money on Chain's jobs, as the chain tells it: through web3, not the scheduler."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eth_utils.crypto import keccak
from hexbytes import HexBytes
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import FilterParams

from scheduler.chain.model import Address, Hash
from scheduler.devchain.moc import X2, MocDeployment
from scheduler.devchain.moc_contracts import call_data

# How far back it is looked when a condition became true; a node keeps no states for ever.
_LOOKS_BACK = 60


@dataclass(frozen=True)
class View:
    """A word that a view answers, and whether it must say yes for the job to be due."""

    contract: str
    signature: str
    arguments: tuple[bytes, ...] = ()
    word: int = 0
    yes: bool = True


@dataclass(frozen=True)
class Trace:
    """How a job shows on the chain: what it calls, the event that proves it, when it is due."""

    contract: str
    function: str
    emitter: str
    event: str
    due: tuple[View, ...]


NO_SETTLEMENT = View("MoC", "isSettlementEnabled()", yes=False)

NO_LIQUIDATION = View("MoCState", "isLiquidationReached()", yes=False)

# Of two jobs the conditions are true without one, and what they call reverts.
HAS_PRICE = View("MoCMedianizer", "peek()", word=1)

TRACES: Mapping[str, Trace] = {
    "liquidation": Trace(
        "MoC",
        "evalLiquidation(uint256)",
        "MoCState",
        "StateTransition(uint8)",
        (View("MoCState", "isLiquidationReached()"),),
    ),
    "bucket_liquidation": Trace(
        "MoC",
        "evalBucketLiquidation(bytes32)",
        "MoC",
        "BucketLiquidation(bytes32)",
        (View("MoC", "isBucketLiquidationReached(bytes32)", (X2,)), NO_SETTLEMENT),
    ),
    "run_settlement": Trace(
        "MoC",
        "runSettlement(uint256)",
        "MoCSettlement",
        "SettlementCompleted(uint256)",
        (View("MoC", "isSettlementEnabled()"), HAS_PRICE),
    ),
    "daily_inrate_payment": Trace(
        "MoC",
        "dailyInratePayment()",
        "MoCInrate",
        "InrateDailyPay(uint256,uint256,uint256)",
        (View("MoC", "isDailyEnabled()"),),
    ),
    "pay_bitpro_holders": Trace(
        "MoC",
        "payBitProHoldersInterestPayment()",
        "MoCInrate",
        "RiskProHoldersInterestPay(uint256,uint256)",
        (View("MoC", "isBitProInterestEnabled()"),),
    ),
    "calculate_bma": Trace(
        "MoCState",
        "calculateBitcoinMovingAverage()",
        "MoCState",
        "MovingAverageCalculation(uint256,uint256)",
        # A settlement calculates it, too, and a liquidation.
        (View("MoCState", "shouldCalculateEma()"), NO_SETTLEMENT, NO_LIQUIDATION, HAS_PRICE),
    ),
    "oracle_poke": Trace(
        "MoCMedianizer",
        "poke()",
        "MoCMedianizer",
        "LogValue(bytes32)",
        (
            View("MoCMedianizer", "peek()", word=1),
            View("MoCMedianizer", "compute()", word=1, yes=False),
        ),
    ),
}
"""The seven jobs on the contracts of the generation moc_base."""


@dataclass(frozen=True)
class JobEvidence:
    """What is known of one time that a job was done.

    `true_at` is the block from which on its condition was true until then, `mined_in` that of the
    `transaction` with the event; None where nothing shows it. `gas` is what that used.
    """

    job: str
    event: str
    true_at: int | None = None
    mined_in: int | None = None
    gas: int = 0
    transaction: Hash = ""

    @property
    def is_prompt(self) -> bool:
        """Done in the block after the one that made it due."""
        return self.true_at is not None and self.mined_in == self.true_at + 1


class JobWitness:
    """Asks a node about the jobs of one deployment, as far as `account` did them."""

    def __init__(self, url: str, at: MocDeployment, account: Address, since: int) -> None:
        """`since` is the block from which on it is looked for."""
        # As scheduler.devchain.evidence has it, and for the same reason.
        headers = {"Content-Type": "application/json", "Connection": "close"}
        self._eth = Web3(Web3.HTTPProvider(url, request_kwargs={"headers": headers})).eth
        self._at = at
        self._account = Web3.to_checksum_address(account)
        self._since = since

    def testify(self, job: str) -> JobEvidence:
        """What is known now of the first time that the job was done."""
        event = TRACES[job].event.partition("(")[0]
        return next(self.history(job), JobEvidence(job, event))

    def history(self, job: str) -> Iterator[JobEvidence]:
        """The same of each time, the first one first."""
        trace = TRACES[job]
        event = trace.event.partition("(")[0]
        wanted: FilterParams = {
            "address": Web3.to_checksum_address(self._at[trace.emitter]),
            "topics": [HexBytes(keccak(text=trace.event))],
            "fromBlock": self._since,
            "toBlock": "latest",
        }
        selector = keccak(text=trace.function)[:4]
        for log in self._eth.get_logs(wanted):
            sent = self._eth.get_transaction(log["transactionHash"])
            if sent["from"] == self._account and bytes(sent["input"])[:4] == selector:
                receipt = self._eth.get_transaction_receipt(log["transactionHash"])
                block = receipt["blockNumber"]
                true_at = self._true_since(trace, block - 1)
                found = "0x" + bytes(log["transactionHash"]).hex()
                yield JobEvidence(job, event, true_at, block, receipt["gasUsed"], found)

    def _true_since(self, trace: Trace, block: int) -> int | None:
        """The block from which on it was due up to this one; None where it was not then."""
        earliest = max(self._since, block - _LOOKS_BACK)
        before = block
        while before >= earliest and self._is_due(trace, before):
            before -= 1
        return None if before == block else before + 1

    def _is_due(self, trace: Trace, block: int) -> bool:
        return all(self._word(view, block) == int(view.yes) for view in trace.due)

    def _word(self, view: View, block: int) -> int:
        """What it answers at this block; -1 where it reverts, as without a price."""
        data = HexBytes(call_data(view.signature, *view.arguments))
        to = Web3.to_checksum_address(self._at[view.contract])
        try:
            answer = self._eth.call({"to": to, "data": data}, block)
        except (Web3RPCError, ContractLogicError):
            return -1
        return int.from_bytes(answer[32 * view.word : 32 * view.word + 32], "big")


def heading() -> str:
    """The titles of the columns of `row`."""
    return f"{'job':20}  {'made true at':>12}  {'mined in':>8}  {'event':25}  {'gas':>7}"


def row(evidence: JobEvidence) -> str:
    """One line of a table: blocks by number."""
    blocks = (evidence.true_at, evidence.mined_in)
    true_at, mined_in = ("-" if each is None else str(each) for each in blocks)
    event = "-" if evidence.mined_in is None else evidence.event
    return f"{evidence.job:20}  {true_at:>12}  {mined_in:>8}  {event:25}  {evidence.gas:>7}"
